#include "common/log/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>

#include "common/json/json.h"
#include "common/rfc3339.h"

namespace tocsin::log {
namespace {

/// The line is ready when it reaches spdlog: no second time stamp, no second level.
std::shared_ptr<spdlog::logger> make_logger(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("tocsin", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);  // `threshold` decides
  logger->flush_on(spdlog::level::trace);
  return logger;
}

struct Destination {
  std::mutex changing;  // guards logger and component; a line holds it only to take a copy of two pointers
  std::shared_ptr<spdlog::logger> logger = make_logger(std::make_shared<spdlog::sinks::stderr_sink_mt>());
  std::shared_ptr<const std::string> component = std::make_shared<const std::string>("tocsin");
  std::atomic<Level> threshold{Level::warn};
};

Destination& destination() {
  static Destination the_one;  // logs are per process by nature; everything else is passed down
  return the_one;
}

void append_text(std::string& out, std::string_view s) {
  if (json::valid_utf8(s)) return json::append_quoted(out, s);
  std::string clean;
  for (const char c : s) {
    if (static_cast<unsigned char>(c) < 0x80)
      clean.push_back(c);
    else
      clean.append("\xEF\xBF\xBD");
  }
  json::append_quoted(out, clean);
}

struct AppendValue {
  std::string& out;
  void operator()(std::string_view v) const { append_text(out, v); }
  void operator()(bool v) const { out.append(v ? "true" : "false"); }
  void operator()(std::int64_t v) const { out.append(std::to_string(v)); }
  void operator()(std::uint64_t v) const { out.append(std::to_string(v)); }
  void operator()(double v) const {
    if (!std::isfinite(v)) {
      out.append("null");  // JSON has no infinity
      return;
    }
    std::array<char, 32> buf{};
    const auto end = std::to_chars(buf.data(), buf.data() + buf.size(), v).ptr;
    out.append(buf.data(), end);
  }
};

}  // namespace

Status configure(const Settings& settings) {
  spdlog::sink_ptr sink;
  if (settings.file.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    try {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file);
    } catch (const spdlog::spdlog_ex& e) {
      return Error{Errc::io, "cannot open the log file " + settings.file + ": " + e.what()};
    }
  }
  auto& d = destination();
  {
    const std::scoped_lock lock(d.changing);
    d.logger = make_logger(std::move(sink));
    d.component = std::make_shared<const std::string>(settings.component);
  }
  set_level(settings.level);
  return Done{};
}

void set_level(Level level) noexcept { destination().threshold.store(level, std::memory_order_relaxed); }

bool enabled(Level level) noexcept {
  return level >= destination().threshold.load(std::memory_order_relaxed) && level != Level::off;
}

void write(Level level, std::string_view msg, Fields fields) {
  if (!enabled(level)) return;
  auto& d = destination();
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<const std::string> component;
  {
    const std::scoped_lock lock(d.changing);
    logger = d.logger;
    component = d.component;
  }
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto wall_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  logger->log(spdlog::level::info, spdlog::string_view_t{line(wall_ms, level, *component, msg, fields)});
}

std::string line(std::int64_t wall_ms, Level level, std::string_view component, std::string_view msg,
                 Fields fields) {
  std::string out = R"({"ts":")" + rfc3339(wall_ms) + R"(","level":")";
  out.append(config::Codec<Level>::print(level)).append(R"(","component":)");
  append_text(out, component);
  out.append(R"(,"msg":)");
  append_text(out, msg);
  for (const auto& field : fields) {
    out.push_back(',');
    append_text(out, field.key);
    out.push_back(':');
    std::visit(AppendValue{out}, field.value);
  }
  out.push_back('}');
  return out;
}

}  // namespace tocsin::log
