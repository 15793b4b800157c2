#include "common/log/line.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "common/json/json.h"
#include "common/rfc3339.h"

namespace tocsin::log {
namespace {

constexpr std::size_t kSlugMax = 48;
constexpr auto kTop = std::to_array<std::string_view>({"session_id", "user_id", "connection_id", "namespace",
                                                       "event_name", "client_ip", "user_agent", "duration_ms",
                                                       "error_code", "error_details"});

void append_string(std::string& out, std::string_view s) {
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
  void operator()(std::string_view v) const { append_string(out, v); }
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

bool at_top(const Field& field) { return std::find(kTop.begin(), kTop.end(), field.key) != kTop.end(); }

bool is_empty(const Field& field) {
  const auto* s = std::get_if<std::string_view>(&field.value);
  return s != nullptr && s->empty();
}

void append_field(std::string& out, const Field& field) {
  append_string(out, field.key);
  out.push_back(':');
  std::visit(AppendValue{out}, field.value);
}

void append_metadata(std::string& out, const Line& line, Fields fields) {
  bool first = true;
  const auto next = [&] { out.append(std::exchange(first, false) ? R"(,"metadata":{)" : ","); };
  for (const auto& field : fields)
    if (!at_top(field)) next(), append_field(out, field);
  if (line.sampled > 0) next(), append_field(out, {"sampled", line.sampled});
  if (!first) out.push_back('}');
}

}  // namespace

std::string_view level_word(Level level) noexcept {
  constexpr auto kWords = std::to_array<std::string_view>({"DEBUG", "INFO", "WARNING", "ERROR", "OFF"});
  return kWords[static_cast<std::size_t>(level)];
}

std::string slug(std::string_view message) {
  std::string out;
  for (const char c : message) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool word = upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (out.size() >= kSlugMax) break;
    if (word)
      out.push_back(upper ? static_cast<char>(c - 'A' + 'a') : c);
    else if (!out.empty() && out.back() != '_')
      out.push_back('_');
  }
  while (!out.empty() && out.back() == '_') out.pop_back();
  return out.empty() ? "message" : out;
}

std::string text(const Line& line, Fields fields) {
  std::string out;
  out.reserve(256 + line.message.size());
  out.append(R"({"timestamp":")").append(rfc3339(line.wall_ms));
  out.append(R"(","level":")").append(level_word(line.level));
  out.append(R"(","category":")").append(kCategoryNames[static_cast<std::size_t>(line.topic.category)]);
  out.append(R"(","event_type":)");
  append_string(out, line.topic.event_type.empty() ? slug(line.message) : std::string(line.topic.event_type));
  out.append(R"(,"message":)");
  append_string(out, line.message);
  out.append(R"(,"component":)");
  append_string(out, line.component);
  for (const auto& field : fields) {
    if (!at_top(field) || is_empty(field)) continue;
    out.push_back(',');
    append_field(out, field);
  }
  append_metadata(out, line, fields);
  out.push_back('}');
  return out;
}

}  // namespace tocsin::log
