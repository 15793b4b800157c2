#include "ops/supervisor/alerts/alert_rules.h"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace tocsin::ops {
namespace {

constexpr auto kRules = std::to_array<AlertRule>({
    {.type = "process_down",
     .severity = "critical",
     .message = "{subject} has not been ready for {value} s",
     .runbook = "TocsinProcessDown"},
    {.type = "restarts",
     .severity = "warning",
     .message = "processes died {value} times in 15 minutes and were started again",
     .runbook = "TocsinProcessRestarting"},
    {.type = "commit_failures",
     .in_maintenance = true,
     .severity = "critical",
     .message = "the broker could not keep {value} groups of updates in the last minute",
     .runbook = "TocsinCommitFailures"},
    {.type = "response_time",
     .hold = Millis{60'000},
     .severity = "warning",
     .message = "a commit takes {value} ms in the mean",
     .runbook = "TocsinCommitSlow"},
    {.type = "publish_time",
     .hold = Millis{60'000},
     .severity = "warning",
     .message = "one publish in a hundred waits {value} ms or longer for its commit",
     .runbook = "TocsinPublishSlow"},
    {.type = "lagging_edges",
     .hold = Millis{120'000},
     .severity = "warning",
     .message = "{value} edges do not keep up with the updates sent to them",
     .runbook = "TocsinEdgeLagging"},
    {.type = "backup_old",
     .in_maintenance = true,
     .severity = "critical",
     .message = "the newest backup is {value} intervals old",
     .runbook = "TocsinBackupOld"},
    {.type = "backup_failed",
     .in_maintenance = true,
     .severity = "warning",
     .message = "{value} scheduled backups in a row failed",
     .runbook = "TocsinBackupFailing"},
    {.type = "connection_errors",
     .severity = "warning",
     .message = "{subject} refused or lost {value} connections in the last minute",
     .runbook = "TocsinClientsTurnedAway"},
    {.type = "message_errors",
     .severity = "warning",
     .message = "{subject} answered {value} frames in the last minute with an error",
     .runbook = ""},
    {.type = "refusals",
     .hold = Millis{60'000},
     .severity = "warning",
     .message = "limits of {subject} refused {value} connections, messages and subscriptions a minute",
     .runbook = "TocsinLimitsRefuse"},
    {.type = "bans",
     .severity = "warning",
     .message = "{subject} banned {value} addresses in the last minute",
     .runbook = "TocsinAddressesBanned"},
    {.type = "jwks_failing",
     .in_maintenance = true,
     .severity = "critical",
     .message = "{subject} could not fetch the keys of tokens {value} times in a row",
     .runbook = "TocsinJwksFailing"},
    {.type = "log_lines_lost",
     .in_maintenance = true,
     .severity = "warning",
     .message = "{value} log lines of {subject} in the last minute are not where they belong",
     .runbook = "TocsinLogLinesLost"},
    {.type = "audit_lost",
     .in_maintenance = true,
     .severity = "critical",
     .message = "{value} lines in the last minute are missing in the audit log of {subject}",
     .runbook = "TocsinAuditLost"},
    {.type = "load",
     .hold = Millis{120'000},
     .severity = "warning",
     .message = "{subject} uses {value} % of what it can do",
     .runbook = "TocsinEdgeNearlyFull"},
    {.type = "memory_usage",
     .hold = Millis{60'000},
     .in_maintenance = true,
     .severity = "warning",
     .message = "{subject} has {value} MiB of memory",
     .runbook = "TocsinMemoryHigh"},
    {.type = "disk_free",
     .below = true,
     .in_maintenance = true,
     .severity = "critical",
     .message = "the disk of the broker's log has {value} % free",
     .runbook = "TocsinCommitFailures"},
    {.type = "certificate",
     .below = true,
     .in_maintenance = true,
     .severity = "critical",
     .message = "the certificate of {subject} ends in {value} days",
     .runbook = "TocsinCertificateEnding"},
    {.type = "maintenance",
     .in_maintenance = true,
     .severity = "warning",
     .message = "maintenance has been on for {value} minutes",
     .runbook = "TocsinMaintenanceForgotten"},
});

consteval std::size_t rule(std::string_view type) {
  for (std::size_t i = 0; i < kRules.size(); ++i)
    if (kRules[i].type == type) return i;
  throw "no such rule";
}

/// 0 switches a rule off.
void see(AlertBook& book, std::size_t which, const std::string& subject, double value, double threshold) {
  if (threshold > 0) book.see(kRules[which], subject, value, threshold);
}

double number(const Numbers& numbers, std::string_view name) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

double grown(const Numbers& now, const Numbers& before, std::initializer_list<std::string_view> names) {
  double sum = 0;
  for (const auto name : names) sum += std::max(0.0, number(now, name) - number(before, name));
  return sum;
}

/// How often that failed since it went well last; `at_success` is kept from look to look.
double failed_in_a_row(const Numbers& now, const Numbers& before, const std::string& name,
                       std::string_view well, std::map<std::string, double, std::less<>>& at_success) {
  const double failed = number(now, name + R"({outcome="failed"})");
  const auto [at, first] = at_success.try_emplace(name, failed);
  const std::string good = name + "{outcome=\"" + std::string(well) + "\"}";
  if (number(now, good) > number(before, good)) at->second = failed;
  return failed - at->second;
}

double per_minute(double count, Millis time) {
  return time.count() <= 0 ? 0 : count * 60'000 / static_cast<double>(time.count());
}

}  // namespace

std::map<std::string, const AlertRule*> AlertRules::by_type() {
  std::map<std::string, const AlertRule*> out;
  for (const AlertRule& one : kRules) out[std::string(one.type)] = &one;
  return out;
}

void AlertRules::judge_log(const ProcessLook& process, const Before& before, Millis time,
                           AlertBook& book) const {
  const auto lost = [&](std::initializer_list<std::string_view> names) {
    return per_minute(grown(process.numbers, before.numbers, names), time);
  };
  see(book, rule("log_lines_lost"), process.name,
      lost({"tocsin_log_dropped_total", "tocsin_log_failed_total", "tocsin_log_syslog_lost_total"}),
      static_cast<double>(config_.alert_log_lines_lost));
  see(book, rule("audit_lost"), process.name, lost({"tocsin_audit_lost_total"}),
      static_cast<double>(config_.alert_audit_lost));
}

void AlertRules::judge_broker(const ProcessLook& process, Before& before, const ClusterLook& look,
                              AlertBook& book) const {
  const Numbers& now = process.numbers;
  const Millis time = look.now - before.at;
  see(book, rule("lagging_edges"), process.name, number(now, "tocsin_broker_lagging_edges"),
      static_cast<double>(config_.alert_lagging_edges));
  const double interval = number(now, "tocsin_broker_backup_interval_seconds");
  const double newest = number(now, "tocsin_broker_backup_newest_timestamp_seconds");
  const double age = static_cast<double>(look.wall_ms) / 1'000 - newest;
  // Young processes have not had the time for a first one.
  const double runs = static_cast<double>(look.wall_ms) / 1'000 - number(now, "process_start_time_seconds");
  if (interval > 0)
    see(book, rule("backup_old"), process.name, std::min(age, newest > 0 ? age : runs) / interval,
        static_cast<double>(config_.alert_backup_intervals));
  see(book, rule("backup_failed"), process.name,
      failed_in_a_row(now, before.numbers, "tocsin_broker_backups_total", "done", before.failures),
      static_cast<double>(config_.alert_backup_failures));
  if (const auto slow = quantile(now, before.numbers, "tocsin_broker_publish_commit_seconds", 0.99))
    see(book, rule("publish_time"), process.name, *slow * 1'000,
        static_cast<double>(config_.alert_publish_time));
  see(book, rule("commit_failures"), process.name,
      per_minute(grown(now, before.numbers, {"tocsin_broker_commit_failures_total"}), time),
      static_cast<double>(config_.alert_commit_failures));
  const double commits = grown(now, before.numbers, {"tocsin_broker_commit_seconds_count"});
  const double took = grown(now, before.numbers, {"tocsin_broker_commit_seconds_sum"});
  if (commits > 0)
    see(book, rule("response_time"), process.name, took / commits * 1'000,
        static_cast<double>(config_.alert_response_time));
}

void AlertRules::judge_edge(const ProcessLook& process, Before& before, const ClusterLook& look,
                            AlertBook& book) const {
  const Numbers& now = process.numbers;
  const Millis time = look.now - before.at;
  see(book, rule("load"), process.name, number(now, "tocsin_edge_load_permille") / 10,
      static_cast<double>(config_.alert_load));
  if (const auto days = now.find("tocsin_edge_tls_days_left");
      days != now.end())  // NaN, without TLS, is not there
    see(book, rule("certificate"), process.name, days->second,
        static_cast<double>(config_.alert_certificate));
  see(book, rule("connection_errors"), process.name,
      per_minute(grown(now, before.numbers,
                       {"tocsin_edge_net_refused_total", "tocsin_edge_net_turned_away_total",
                        "tocsin_edge_net_handshake_timeouts_total", "tocsin_edge_tokens_refused_total"}),
                 time),
      static_cast<double>(config_.alert_connection_errors));
  see(book, rule("message_errors"), process.name,
      per_minute(grown(now, before.numbers, {"tocsin_edge_bad_frames_total"}), time),
      static_cast<double>(config_.alert_message_errors));
  see(book, rule("refusals"), process.name,
      per_minute(grown(now, before.numbers, {"tocsin_edge_limited_total"}), time),
      static_cast<double>(config_.alert_refusals));
  see(book, rule("bans"), process.name,
      per_minute(grown(now, before.numbers, {"tocsin_edge_bans_total"}), time),
      static_cast<double>(config_.alert_bans));
  see(book, rule("jwks_failing"), process.name,
      failed_in_a_row(now, before.numbers, "tocsin_edge_jwks_fetches_total", "ok", before.failures),
      static_cast<double>(config_.alert_jwks_failures));
}

void AlertRules::judge_process(const ProcessLook& process, const ClusterLook& look, AlertBook& book) {
  if (process.ready)
    not_ready_.erase(process.name);
  else
    not_ready_.try_emplace(process.name, look.now);
  if (!process.ready)
    see(book, rule("process_down"), process.name,
        static_cast<double>((look.now - not_ready_[process.name]).count()) / 1'000,
        static_cast<double>(config_.alert_down.count()) / 1'000);
  if (process.numbers.empty()) return;
  see(book, rule("memory_usage"), process.name,
      number(process.numbers, "process_resident_memory_bytes") / (1 << 20),
      static_cast<double>(config_.alert_memory));
  Before& before = before_[process.name];
  if (before.numbers.empty() || before.instance != process.instance)
    before = {process.instance, look.now, process.numbers, {}};
  judge_log(process, before, look.now - before.at, book);
  process.name == "broker" ? judge_broker(process, before, look, book)
                           : judge_edge(process, before, look, book);
  before.at = look.now;
  before.numbers = process.numbers;
}

void AlertRules::judge_cluster(const ClusterLook& look, AlertBook& book) {
  constexpr Millis kWindow{15 * 60'000};
  restarts_.emplace_back(look.now, look.restarts);
  while (look.now - restarts_.front().first > kWindow) restarts_.pop_front();
  const std::uint64_t then = std::min(restarts_.front().second, look.restarts);
  see(book, rule("restarts"), "cluster", static_cast<double>(look.restarts - then),
      static_cast<double>(config_.alert_restarts));
  see(book, rule("disk_free"), "cluster", look.disk_free_percent,
      static_cast<double>(config_.alert_disk_free));
  if (!look.maintenance)
    maintenance_since_.reset();
  else if (!maintenance_since_)
    maintenance_since_ = look.now;
  if (maintenance_since_)
    see(book, rule("maintenance"), "cluster",
        static_cast<double>((look.now - *maintenance_since_).count()) / 60'000,
        static_cast<double>(config_.alert_maintenance));
}

void AlertRules::judge(const ClusterLook& look, AlertBook& book) {
  book.begin_look(look.now, look.wall_ms);
  for (const ProcessLook& process : look.processes) judge_process(process, look, book);
  judge_cluster(look, book);
  const auto gone = [&look](const auto& entry) {
    return std::none_of(look.processes.begin(), look.processes.end(),
                        [&entry](const ProcessLook& process) { return process.name == entry.first; });
  };
  std::erase_if(before_, gone);
  std::erase_if(not_ready_, gone);
  book.end_look(look.maintenance);
}

}  // namespace tocsin::ops
