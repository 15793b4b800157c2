// The doctor's questions to the processes: ready, of one version, in time, not overfull, not left in
// maintenance.
#include <map>
#include <set>

#include "common/clock.h"
#include "common/json/json.h"
#include "common/version.h"
#include "ops/cluster/exposition.h"
#include "ops/ctl/api.h"
#include "ops/ctl/doctor.h"

namespace tocsin::ops {
namespace {

constexpr std::chrono::milliseconds kPatience{2'000};

struct Asked {
  std::string name;
  pid_t pid = 0;
  Numbers numbers;
  bool ready = false;
};

double number(const Numbers& numbers, std::string_view name) {
  const auto found = numbers.find(name);
  return found == numbers.end() ? 0 : found->second;
}

std::string count_text(double n) { return std::to_string(static_cast<std::int64_t>(n)); }

/// X of tocsin_build_info{version="X"}.
std::string version_in(std::string_view metrics) {
  constexpr std::string_view kLead = "tocsin_build_info{version=\"";
  const auto at = metrics.find(kLead);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = metrics.substr(at + kLead.size());
  return std::string(rest.substr(0, rest.find('"')));
}

std::string reason_of(const std::string& body) {
  const auto document = json::parse(body);
  const auto reason = document ? json::string_member(*document, "reason")
                               : Result<std::optional<std::string_view>>(std::nullopt);
  return reason && *reason ? std::string(**reason) : body;
}

class Examination {
 public:
  Examination(Findings& out, Api& api) : out_(out), api_(api) {}

  double run() {
    const ClusterFile& cluster = api_.cluster();
    const Asked broker = ask("broker", cluster.broker.pid, cluster.broker.http);
    const Asked supervisor = ask("supervisor", cluster.supervisor.pid, cluster.supervisor.http);
    std::vector<Asked> edges;
    for (const auto& edge : cluster.edges) edges.push_back(ask(edge.id, edge.pid, edge.http));
    if (edges.empty()) out_.bad("edges", "there is no edge: no client can connect", "tocsinctl scale 2");
    if (bad_ == 0) out_.ok("processes", std::to_string(edges.size() + 2) + " answer and are ready");
    compare_clocks(out_, clocks_);
    judge_versions();
    judge_broker(broker, edges);
    for (const Asked& edge : edges) judge_edge(edge);
    judge_revocations(broker, edges);
    judge_supervisor(supervisor);
    for (const auto* one : {&broker, &supervisor}) judge_process(*one);
    for (const Asked& edge : edges) judge_process(edge);
    return number(broker.numbers, "tocsin_broker_backup_interval_seconds");
  }

 private:
  Asked ask(const std::string& name, pid_t pid, const std::string& http) {
    Asked asked{name, pid, {}, false};
    const SystemClock clock;
    const std::int64_t asked_us = clock.steady_us();
    const auto health = api_.fetch("GET", http + "/health/ready?detailed=true", {}, {}, kPatience);
    if (health) note_clock(name, health->body, clock.wall_ms(), (clock.steady_us() - asked_us) / 1'000);
    // The supervisor is as ready as those it runs: they speak for themselves.
    asked.ready = health && (health->status == 200 || name == "supervisor");
    if (!health)
      out_.bad("processes", name + " does not answer: " + health.error().detail,
               "tocsinctl status; the end of logs/" + name + ".log says why it ended");
    else if (!asked.ready)
      out_.bad("processes", name + " is not ready: " + reason_of(health->body),
               "see the reason; a cordoned edge: tocsinctl uncordon " + name);
    bad_ += asked.ready ? 0 : 1;
    const auto metrics = health ? api_.fetch("GET", http + "/metrics", {}, {}, kPatience) : health;
    if (metrics && (metrics->status == 401 || metrics->status == 403))
      out_.warn("processes",
                name + " shows its figures to operators only (metrics.access), most of it is not judged",
                "run this on its host with admin.loopback on, or watch it by the alerts");
    if (!metrics || metrics->status != 200) return asked;
    asked.numbers = parse_exposition(metrics->body);
    if (const std::string version = version_in(metrics->body); !version.empty())
      versions_[version].insert(name);
    return asked;
  }

  /// A release that does not tell its time is passed over.
  void note_clock(const std::string& name, const std::string& body, std::int64_t now_ms,
                  std::int64_t took_ms) {
    const auto document = json::parse(body);
    if (!document || !document->IsObject()) return;
    const auto told = json::uint_member(*document, "now_ms");
    constexpr std::uint64_t kLatest = 253'402'300'799'000;  // the year 9999
    if (!told || !*told || **told > kLatest) return;
    clocks_.push_back({name, static_cast<std::int64_t>(**told) - (now_ms - took_ms / 2), took_ms / 2});
  }

  void judge_versions() {
    if (versions_.size() == 1 && versions_.begin()->first == version())
      return out_.ok("versions", "all are " + versions_.begin()->first);
    std::string what;
    for (const auto& [version, names] : versions_) {
      what += (what.empty() ? "" : "; ") + version + ":";
      for (const auto& name : names) what += " " + name;
    }
    if (versions_.size() > 1)
      out_.warn("versions", "not all are the same: " + what,
                "finish the restart: tocsinctl restart --rolling --wait");
    else if (versions_.size() == 1)
      out_.warn("versions", what + "; this tocsinctl is " + std::string(version()),
                "use the tocsinctl of the cluster's release");
  }

  void judge_broker(const Asked& broker, const std::vector<Asked>& edges) {
    if (broker.numbers.empty()) return;
    const double lagging = number(broker.numbers, "tocsin_broker_lagging_edges");
    if (lagging > 0)
      out_.warn("lag", count_text(lagging) + " edges do not keep up with the updates sent to them",
                "ops/runbook/alerts/TocsinEdgeLagging.md");
    else
      out_.ok("lag", "every edge keeps up");
    const double seen = number(broker.numbers, "tocsin_broker_edges");
    if (seen < static_cast<double>(edges.size()))
      out_.bad("edges",
               "the broker knows " + count_text(seen) + " of " + std::to_string(edges.size()) + " edges",
               "ops/runbook/alerts/TocsinEdgeNotReady.md");
    if (const double failed = number(broker.numbers, "tocsin_broker_commit_failures_total"); failed > 0)
      out_.warn("broker", count_text(failed) + " groups of updates could not be kept since it started",
                "ops/runbook/alerts/TocsinCommitFailures.md");
    if (const double failed = number(broker.numbers, "tocsin_broker_send_failures_total"); failed > 0)
      out_.warn("broker", count_text(failed) + " messages did not fit a peer's queue since it started",
                "an edge that hangs: tocsinctl status");
  }

  void judge_edge(const Asked& edge) {
    if (edge.numbers.empty()) return;
    if (const double load = number(edge.numbers, "tocsin_edge_load_permille") / 10; load > 90)
      out_.warn("edges", edge.name + " uses " + count_text(load) + " % of what it can do",
                "tocsinctl rebalance, or tocsinctl scale with one more");
    if (const auto days = edge.numbers.find("tocsin_edge_tls_days_left"); days != edge.numbers.end()) {
      const std::string what =
          "the certificate that " + edge.name + " serves ends in " + count_text(days->second) + " days";
      const char* todo = "renew it, then tocsinctl reload; ops/runbook/alerts/TocsinCertificateEnding.md";
      if (days->second < 1)
        out_.bad("certificate", what, todo);
      else if (days->second < 14)
        out_.warn("certificate", what, todo);
      else
        out_.ok("certificate", what);
    }
    const double refused = number(edge.numbers, "tocsin_edge_net_refused_total") +
                           number(edge.numbers, "tocsin_edge_net_turned_away_total");
    if (refused > 0)
      out_.warn("edges",
                edge.name + " has turned away " + count_text(refused) + " connections since it started",
                "ops/runbook/alerts/TocsinClientsTurnedAway.md");
    if (const double bans = number(edge.numbers, "tocsin_edge_bans_total"); bans > 0)
      out_.warn("limits",
                edge.name + " has banned " + count_text(bans) + " addresses since it started; " +
                    count_text(number(edge.numbers, R"(tocsin_edge_limited_total{limit="banned"})")) +
                    " connections of banned ones were refused",
                "ops/runbook/alerts/TocsinAddressesBanned.md");
  }

  /// An edge that knows of fewer lets somebody in who was thrown out.
  void judge_revocations(const Asked& broker, const std::vector<Asked>& edges) {
    const double all = number(broker.numbers, "tocsin_broker_revocations");
    if (broker.numbers.empty() || all == 0) return;
    bool behind = false;
    for (const Asked& edge : edges) {
      const double known = number(edge.numbers, "tocsin_edge_revoked");
      if (edge.numbers.empty() || known >= all) continue;
      behind = true;
      out_.warn("tokens",
                edge.name + " knows of " + count_text(known) + " of " + count_text(all) + " revocations",
                "again in some seconds; then tocsinctl restart --rolling");
    }
    if (!behind) out_.ok("tokens", count_text(all) + " tokens and subjects are revoked, as every edge knows");
  }

  /// What goes for every program: its files, its log.
  void judge_process(const Asked& asked) {
    check_files(out_, asked.name, asked.pid,
                static_cast<std::uint64_t>(number(asked.numbers, "process_open_fds")));
    const double dropped = number(asked.numbers, "tocsin_log_dropped_total");
    const double failed = number(asked.numbers, "tocsin_log_failed_total");
    const double syslog = number(asked.numbers, "tocsin_log_syslog_lost_total");
    const double audits = number(asked.numbers, "tocsin_audit_lost_total");
    if (dropped + failed + syslog > 0)
      out_.warn("log",
                "lines of " + asked.name + " since it started: " + count_text(dropped) + " dropped, " +
                    count_text(failed) + " on standard error for want of a file, " + count_text(syslog) +
                    " not taken by syslog",
                "ops/runbook/alerts/TocsinLogLinesLost.md");
    if (audits > 0)
      out_.bad("log", count_text(audits) + " lines are missing in the audit log of " + asked.name,
               "ops/runbook/alerts/TocsinAuditLost.md");
  }

  void judge_supervisor(const Asked& supervisor) {
    if (number(supervisor.numbers, "tocsin_supervisor_maintenance") > 0)
      out_.warn("supervisor", "maintenance is on: nothing that dies is started again, alerts rest",
                "tocsinctl maintenance off");
    if (const double failed = number(supervisor.numbers, "tocsin_supervisor_moves_failed_total"); failed > 0)
      out_.warn("supervisor", count_text(failed) + " drains or other moves failed since it started",
                "tocsinctl drain report");
    if (const double restarts = number(supervisor.numbers, "tocsin_supervisor_restarts_total"); restarts > 0)
      out_.warn("supervisor",
                count_text(restarts) + " processes died and were started again since it started",
                "tocsinctl status --json: last_end");
  }

  Findings& out_;
  Api& api_;
  std::map<std::string, std::set<std::string>> versions_;
  std::vector<ClockSeen> clocks_;
  int bad_ = 0;
};

}  // namespace

double check_cluster(Findings& out, Api& api) { return Examination(out, api).run(); }

}  // namespace tocsin::ops
