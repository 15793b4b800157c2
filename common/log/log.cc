#include "common/log/log.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "common/log/audit.h"
#include "common/log/file_sink.h"
#include "common/log/flood.h"
#include "common/log/syslog.h"
#include "common/log/writer.h"

namespace tocsin::log {
namespace {

/// Where lines go, as one configure() said. Constant once it is in use.
struct Streams {
  std::shared_ptr<const std::string> component = std::make_shared<const std::string>("tocsin");
  std::array<std::shared_ptr<Sink>, kCategories> of;  ///< by category
  std::shared_ptr<Sink> audit;                        ///< null: none of its own
  std::vector<std::shared_ptr<Sink>> all;
  std::shared_ptr<Syslog> syslog;
  std::int64_t flood_per_s = 0;
};

struct Destination {
  std::mutex changing;                     // guards streams (the pointer) and flood
  std::shared_ptr<const Streams> streams;  ///< null: not configured, callers write to stderr
  Flood flood;
  std::array<std::atomic<Level>, kCategories> thresholds;
  std::atomic<bool> audit_all{false};
  std::atomic<std::int64_t> slow_ms{Settings{}.slow_ms};
  std::array<std::atomic<std::uint64_t>, kCategories> lines{};
  std::atomic<std::uint64_t> audit_ok{0}, audit_refused{0}, sampled{0};
  Writer writer;

  Destination() {
    for (auto& threshold : thresholds) threshold.store(Level::warn);
  }
};

Destination& destination() {
  static Destination the_one;  // logs are per process by nature; everything else is passed down
  return the_one;
}

std::int64_t wall_ms() {
  using std::chrono::duration_cast;
  return duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Level level_of(CategoryLevel own, Level all) noexcept {
  return own == CategoryLevel::inherit ? all : static_cast<Level>(static_cast<int>(own) - 1);
}

using OwnLevels = std::array<CategoryLevel, kCategories>;
OwnLevels levels(const Settings& s) {
  return {s.connection_level,  s.message_level, s.security_level,
          s.performance_level, s.error_level,   s.system_level};
}

Streams open_streams(const Settings& s) {
  Streams out;
  out.component = std::make_shared<const std::string>(s.component);
  out.flood_per_s = s.flood_per_s;
  const auto place = [&](std::string path) {
    constexpr std::string_view kWho = "{component}";
    if (const auto at = path.find(kWho); at != std::string::npos) path.replace(at, kWho.size(), s.component);
    return path;
  };
  std::map<std::string, std::shared_ptr<Sink>> by_path;  // a file named twice is opened once
  const auto sink = [&](const std::string& setting) {
    const std::string path = place(setting);
    auto& at = by_path[path];
    if (!at && path.empty()) at = std::make_shared<StderrSink>();
    if (!at) at = std::make_shared<FileSink>(path, FileSink::Rotation{s.rotate_bytes, s.rotate_keep});
    return at;
  };
  const std::array<const std::string*, kCategories> files{&s.connection_file, &s.message_file,
                                                          &s.security_file,   &s.performance_file,
                                                          &s.error_file,      &s.system_file};
  for (std::size_t i = 0; i < kCategories; ++i) out.of[i] = sink(files[i]->empty() ? s.file : *files[i]);
  if (!s.audit_file.empty()) out.audit = sink(s.audit_file);
  for (const auto& [path, opened] : by_path) out.all.push_back(opened);
  if (!s.syslog.empty())
    if (const auto address = parse_syslog(s.syslog))
      out.syslog = std::make_shared<Syslog>(*address, static_cast<int>(s.syslog_facility));
  return out;
}

std::shared_ptr<const Streams> streams_now() {
  auto& d = destination();
  const std::scoped_lock lock(d.changing);
  return d.streams;
}

Item item_of(const Streams& streams, const std::shared_ptr<Sink>& sink, const Line& line, Fields fields) {
  Item item{sink, streams.syslog, line.level, {}, streams.component, text(line, fields)};
  if (streams.syslog)
    item.event_type = line.topic.event_type.empty() ? slug(line.message) : std::string(line.topic.event_type);
  return item;
}

/// An order, as against what clients do all day.
bool is_order(std::string_view action) noexcept {
  constexpr auto kDaily = std::to_array<std::string_view>(
      {"authenticate", "close", "connect", "publish", "read", "refresh", "resume", "subscribe"});
  return std::find(kDaily.begin(), kDaily.end(), action) == kDaily.end();
}

}  // namespace

Status check(const Settings& settings) {
  if (settings.syslog.empty()) return Done{};
  const auto address = parse_syslog(settings.syslog);
  return address ? Status(Done{}) : Status(address.error());
}

Status configure(const Settings& settings) {
  if (auto ok = check(settings); !ok) return ok;
  auto streams = std::make_shared<const Streams>(open_streams(settings));
  auto& d = destination();
  d.writer.limit(static_cast<std::size_t>(settings.queue_bytes));
  {
    const std::scoped_lock lock(d.changing);
    d.streams.swap(streams);
  }
  d.slow_ms.store(settings.slow_ms, std::memory_order_relaxed);
  d.audit_all.store(!settings.audit_file.empty(), std::memory_order_relaxed);
  const auto own = levels(settings);
  for (std::size_t i = 0; i < kCategories; ++i)
    d.thresholds[i].store(level_of(own[i], settings.level), std::memory_order_relaxed);
  return Done{};
}

void reopen() {
  if (const auto streams = streams_now()) destination().writer.reopen(streams->all);
}

void flush() { destination().writer.flush(); }

void set_level(Level level) noexcept {
  for (auto& threshold : destination().thresholds) threshold.store(level, std::memory_order_relaxed);
}

bool enabled(Level level, Category category) noexcept {
  const auto& threshold = destination().thresholds[static_cast<std::size_t>(category)];
  return level >= threshold.load(std::memory_order_relaxed) && level != Level::off;
}

std::int64_t slow_ms() noexcept { return destination().slow_ms.load(std::memory_order_relaxed); }

void write(Level level, Topic topic, std::string_view message, Fields fields) {
  if (!enabled(level, topic.category)) return;
  auto& d = destination();
  Line line{wall_ms(), level, topic, "tocsin", message, 0};
  const auto category = static_cast<std::size_t>(topic.category);
  std::shared_ptr<const Streams> streams;
  {
    const std::scoped_lock lock(d.changing);
    streams = d.streams;
    const auto kind = topic.event_type.empty() ? message : topic.event_type;
    const auto verdict = d.flood.look(kind, line.wall_ms, streams ? streams->flood_per_s : 0);
    if (!verdict.pass) {
      d.sampled.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    line.sampled = verdict.left_out;
  }
  d.lines[category].fetch_add(1, std::memory_order_relaxed);
  if (!streams) {
    StderrSink().write(text(line, fields) + "\n");
    return;
  }
  line.component = *streams->component;
  d.writer.put(item_of(*streams, streams->of[category], line, fields));
}

void audit(const Audit& a) {
  auto& d = destination();
  const bool ok = a.outcome == "ok";
  (ok ? d.audit_ok : d.audit_refused).fetch_add(1, std::memory_order_relaxed);
  const bool own = d.audit_all.load(std::memory_order_relaxed);
  if (!own && ok && !is_order(a.action)) return;
  const Topic topic{Category::security, a.action};
  const Level level = ok ? Level::info : Level::warn;
  std::string message(a.action);
  message.append(": ").append(a.outcome);
  const Fields fields{
      {"user_id", a.who},       {"client_ip", a.from},  {"error_code", ok ? std::string_view{} : a.outcome},
      {"error_details", a.why}, {"outcome", a.outcome}, {"what", a.what}};
  const auto streams = own ? streams_now() : nullptr;
  if (!streams || !streams->audit) return write(level, topic, message, fields);
  Item item =
      item_of(*streams, streams->audit, {wall_ms(), level, topic, *streams->component, message, 0}, fields);
  item.audit = true;
  d.writer.put(std::move(item));
}

bool audits_all() noexcept { return destination().audit_all.load(std::memory_order_relaxed); }

Counts counts() noexcept {
  const auto& d = destination();
  Counts out;
  for (std::size_t i = 0; i < kCategories; ++i) out.lines[i] = d.lines[i].load(std::memory_order_relaxed);
  out.audit_ok = d.audit_ok.load(std::memory_order_relaxed);
  out.audit_refused = d.audit_refused.load(std::memory_order_relaxed);
  out.sampled = d.sampled.load(std::memory_order_relaxed);
  const Tally& tally = d.writer.tally();
  out.dropped = tally.dropped.load(std::memory_order_relaxed);
  out.failed = tally.failed.load(std::memory_order_relaxed);
  out.syslog_lost = tally.syslog_lost.load(std::memory_order_relaxed);
  out.audit_lost = tally.audit_lost.load(std::memory_order_relaxed);
  return out;
}

}  // namespace tocsin::log
