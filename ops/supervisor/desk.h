#pragma once
// Desk: the cluster as moves see it: its processes, what its edges say, plans/ for their records. Ticks the
// moves.
//
// Thread: the supervisor's loop.
#include <set>
#include <string>

#include "common/loop/handles.h"
#include "ops/supervisor/cluster.h"
#include "ops/supervisor/plan_files.h"
#include "ops/supervisor/reloads.h"
#include "ops/supervisor/site.h"

namespace tocsin::ops {

class Desk final : public Site {
 public:
  static constexpr Millis kTick{100};

  Desk(loop::Loop& loop, const Clock& clock, Metrics& metrics, Folder folder, Cluster& cluster,
       EdgeWatch& watch);

  /// Goes on with what plans/ holds.
  void start();
  [[nodiscard]] Status takes_orders() const override { return Done{}; }
  [[nodiscard]] bool ready() const override { return cluster_.all_ready(); }
  [[nodiscard]] health::Checks checks() const override;
  [[nodiscard]] std::string status_json() const override;
  void count(Metrics& metrics) const override;
  [[nodiscard]] Moves& moves() override { return moves_; }
  void tick() override;
  [[nodiscard]] Result<Release> next_release(const json::Value& body) const override;
  [[nodiscard]] Status set_maintenance(bool on) override { return cluster_.set_maintenance(on); }
  void set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) override;
  [[nodiscard]] std::vector<Watched> watched() const override;
  [[nodiscard]] const std::string& token() const override { return watch_.token(); }
  [[nodiscard]] std::uint64_t restarts() const override;
  [[nodiscard]] double disk_free_percent() const override;

  [[nodiscard]] std::vector<EdgeView> edges() const override;
  [[nodiscard]] BrokerView broker() const override;
  [[nodiscard]] Release release() const override { return cluster_.fleet().release; }
  [[nodiscard]] bool maintenance() const override { return cluster_.fleet().maintenance; }
  [[nodiscard]] std::int64_t wall_ms() const override { return clock_.wall_ms(); }
  [[nodiscard]] Status persist(const Record& record) override { return plans_.persist(record); }
  void post(const std::string& edge, const std::string& what, const std::string& body,
            std::function<void(Status)> answer) override;
  [[nodiscard]] std::set<std::string> cordoned() const override { return cluster_.fleet().cordoned; }
  void cordon(const std::string& edge, bool on) override;
  [[nodiscard]] Status start_edge(const std::string& name, const Release& release) override;
  void replace_edge(const std::string& name, const Release& release) override;
  void retire_edge(const std::string& name) override;
  void replace_broker(const Release& release) override;

 private:
  [[nodiscard]] EdgeView view_of(const SupervisedProcess& process, bool retiring) const;

  const Clock& clock_;
  Metrics& metrics_;
  Folder folder_;
  PlanFiles plans_;
  Cluster& cluster_;
  EdgeWatch& watch_;
  Moves moves_;
  loop::Timer timer_;
};

/// The edges of a local cluster, for the watch.
[[nodiscard]] std::vector<EdgeWatch::Target> edge_targets(const Cluster& cluster);
/// All of its processes, for reloads.
[[nodiscard]] std::vector<Reloads::Process> reload_targets(const Cluster& cluster);

}  // namespace tocsin::ops
