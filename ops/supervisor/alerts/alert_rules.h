#pragma once
// AlertRules: what the supervisor's webhook tells of, and how a look at the cluster is judged. Adding an
// alert is a row in alert_rules.cc and a threshold in config.h. No clock, no network. Thread: the
// supervisor's loop.
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "ops/cluster/exposition.h"
#include "ops/supervisor/alerts/alert_book.h"
#include "ops/supervisor/config.h"

namespace tocsin::ops {

/// What is known of one process at a look.
struct ProcessLook {
  std::string name;
  bool ready = false;
  std::uint64_t instance = 0;  ///< another one: its counters began anew
  Numbers numbers;             ///< of its /metrics; empty: it did not answer
};
struct ClusterLook {
  Instant now{};
  std::int64_t wall_ms = 0;
  std::uint64_t restarts = 0;  ///< of all processes, ever
  double disk_free_percent = 100;
  bool maintenance = false;
  std::vector<ProcessLook> processes;
};

class AlertRules {
 public:
  explicit AlertRules(const Config& config) : config_(config) {}

  /// Judges a look and tells the book.
  void judge(const ClusterLook& look, AlertBook& book);

  [[nodiscard]] static std::map<std::string, const AlertRule*> by_type();

 private:
  struct Before {
    std::uint64_t instance = 0;
    Instant at{};
    Numbers numbers;
    std::map<std::string, double, std::less<>> failures;  ///< at the last success, by counter
  };
  void judge_process(const ProcessLook& process, const ClusterLook& look, AlertBook& book);
  void judge_broker(const ProcessLook& process, Before& before, const ClusterLook& look,
                    AlertBook& book) const;
  void judge_edge(const ProcessLook& process, Before& before, const ClusterLook& look, AlertBook& book) const;
  void judge_log(const ProcessLook& process, const Before& before, Millis time, AlertBook& book) const;
  void judge_cluster(const ClusterLook& look, AlertBook& book);

  const Config& config_;
  std::map<std::string, Before> before_;
  std::deque<std::pair<Instant, std::uint64_t>> restarts_;
  std::map<std::string, Instant> not_ready_;
  std::optional<Instant> maintenance_since_;
};

}  // namespace tocsin::ops
