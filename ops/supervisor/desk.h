#pragma once
// Desk: the cluster as moves see it: its processes, what its edges say, plans/ for their records. Ticks the
// moves.
//
// Thread: the supervisor's loop.
#include "common/loop/handles.h"
#include "ops/supervisor/cluster.h"
#include "ops/supervisor/edge_watch.h"
#include "ops/supervisor/metrics.h"
#include "ops/supervisor/moves/moves.h"

namespace tocsin::ops {

class Desk final : public MovePort {
 public:
  static constexpr Millis kTick{100};

  Desk(loop::Loop& loop, const Clock& clock, Metrics& metrics, Folder folder, Cluster& cluster,
       EdgeWatch& watch);

  /// Goes on with what plans/ holds. A plan that does not read back is left alone and named in the log.
  void start();
  /// Looks again at once: after a change that somebody waits for.
  void tick();

  [[nodiscard]] Moves& moves() noexcept { return moves_; }
  [[nodiscard]] const Moves& moves() const noexcept { return moves_; }
  [[nodiscard]] Cluster& cluster() noexcept { return cluster_; }
  [[nodiscard]] EdgeWatch& watch() noexcept { return watch_; }

  [[nodiscard]] std::vector<EdgeView> edges() const override;
  [[nodiscard]] BrokerView broker() const override;
  [[nodiscard]] Release release() const override { return cluster_.fleet().release; }
  [[nodiscard]] bool maintenance() const override { return cluster_.fleet().maintenance; }
  [[nodiscard]] std::int64_t wall_ms() const override { return clock_.wall_ms(); }
  [[nodiscard]] Status persist(const Record& record) override;
  void post(const std::string& edge, const std::string& what, const std::string& body,
            std::function<void(Status)> answer) override;
  void cordon(const std::string& edge, bool on) override;
  [[nodiscard]] Status start_edge(const std::string& name, const Release& release) override;
  void replace_edge(const std::string& name, const Release& release) override;
  void retire_edge(const std::string& name) override;
  void replace_broker(const Release& release) override;

 private:
  [[nodiscard]] EdgeView view_of(const SupervisedProcess& process, bool retiring) const;
  void log_change(const Record& record);

  const Clock& clock_;
  Metrics& metrics_;
  Folder folder_;
  Cluster& cluster_;
  EdgeWatch& watch_;
  std::map<std::string, Phase> phases_;  ///< as last logged
  Moves moves_;
  loop::Timer timer_;
};

}  // namespace tocsin::ops
