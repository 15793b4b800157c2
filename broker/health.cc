#include "broker/health.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "common/health/checks.h"
#include "common/json/json.h"
#include "common/version.h"

namespace tocsin::broker {
namespace {

using health::Counts;

constexpr Millis kLongCommit{5'000};
constexpr double kLittleRoom = 5;  ///< percent
constexpr std::int64_t kOldIntervals = 2;

std::string log_trouble(const Core::Condition& condition) {
  if (condition.code.empty() || condition.code == "stopping") return "";
  return "the log takes no updates: " + condition.code +
         (condition.detail.empty() ? "" : ": " + condition.detail);
}

/// Of the folder, now: the log itself finds out with its next commit only.
std::string disk_trouble(const std::string& folder) {
  if (::access(folder.c_str(), W_OK) != 0) return "the folder " + folder + " cannot be written to";
  struct statvfs room {};
  if (::statvfs(folder.c_str(), &room) != 0 || room.f_blocks == 0) return "";
  const double free = 100.0 * static_cast<double>(room.f_bavail) / static_cast<double>(room.f_blocks);
  if (free >= kLittleRoom) return "";
  return "the disk of " + folder + " has " + std::to_string(static_cast<int>(free)) + " % free";
}

std::string backup_trouble(const Vitals& now) {
  const std::int64_t every = now.metrics.backup_interval.value();
  const std::int64_t newest = now.metrics.backup_newest.value();
  const std::int64_t since = newest > 0 ? now.wall_ms / 1'000 - newest : now.uptime.count() / 1'000;
  if (every == 0 || since < kOldIntervals * every) return "";
  return newest > 0 ? "the newest backup is " + std::to_string(since) + " s old"
                    : "backups are scheduled and there is none";
}

health::Checks checks_of(const Vitals& now) {
  const Core::Condition condition = now.core.condition();
  const std::int64_t lagging = now.metrics.lagging_edges.value();
  const bool stuck = condition.committing >= kLongCommit;
  return {
      {"state", condition.code == "stopping" ? "the broker is stopping" : "", Counts::ready},
      {"log", log_trouble(condition), Counts::ready},
      {"commit",
       stuck ? "a commit has been under way for " + std::to_string(condition.committing.count()) + " ms" : "",
       Counts::nowhere},
      {"disk", disk_trouble(now.data_dir), Counts::nowhere},
      {"edges",
       lagging > 0 ? std::to_string(lagging) + " edges do not keep up with the updates sent to them" : "",
       Counts::nowhere},
      {"backup", backup_trouble(now), Counts::nowhere},
  };
}

std::string details(const Vitals& now) {
  const auto number = [](std::string_view name, std::int64_t value) {
    return ",\"" + std::string(name) + "\":" + std::to_string(value);
  };
  return ",\"cluster\":" + json::quoted(now.cluster) + ",\"version\":" + json::quoted(version()) +
         number("now_ms", now.wall_ms) + number("uptime_seconds", now.uptime.count() / 1'000) +
         number("channels", now.metrics.channels.value()) + number("edges", now.metrics.edges.value()) +
         number("waiting_updates", now.metrics.waiting_updates.value());
}

}  // namespace

http::Response health_answer(std::string_view path, std::string_view query, const Vitals& now) {
  http::Response response;
  response.headers.emplace_back("cache-control", "no-store");
  response.body = R"({"status":"live"})";
  if (path == "/health/live") return response;
  const health::Checks checks = checks_of(now);
  const bool ready = health::ready(checks);
  response.body = ready ? R"({"status":"ready")" : R"({"status":"not_ready")";
  if (const std::string code = now.core.not_ready_reason(); !code.empty())
    response.body += ",\"code\":" + json::quoted(code);
  health::append_reasons(response.body, checks);
  if (health::detailed(query)) {
    response.body += details(now);
    health::append_checks(response.body, checks);
  }
  response.body += '}';
  if (!ready && path == "/health/ready") response.status = 503;
  return response;
}

}  // namespace tocsin::broker
