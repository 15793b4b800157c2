#pragma once
// Cluster: the processes of a local cluster, kept running in their order: the broker, then the edges. Edges
// come and go, and every process may be replaced by one of another release. Remembers all on disk so that the
// next supervisor adopts them; writes cluster.json when all are ready and after every change.
//
// Invariant: cluster.json exists only while the cluster is up, and every address in it has once been ready;
// a change of the fleet is on disk before it is made.
// Never on the data path: when this process is dead, updates flow. Thread: the supervisor's loop.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/loop/loop.h"
#include "common/result.h"
#include "ops/cluster/cluster_file.h"
#include "ops/cluster/folder.h"
#include "ops/supervisor/config.h"
#include "ops/supervisor/plan.h"
#include "ops/supervisor/state_file.h"
#include "ops/supervisor/supervised.h"

namespace tocsin::ops {

class Cluster {
 public:
  struct Events {
    std::function<void(const ClusterFile&)> on_ready;          ///< all are ready, for the first time
    std::function<void(const std::string& sentence)> on_news;  ///< for people: a process died, or is back
    std::function<void()> on_restart;
    std::function<void(const std::string& reason, int exit_code)>
        on_hopeless;  ///< everything is being stopped
    std::function<void()> on_stopped;
  };

  Cluster(loop::Loop& loop, const Clock& clock, Random& random, const Config& config, Folder folder,
          Plan plan, SavedState saved, std::string admin_url, Events events);

  /// Adopts what still runs as planned, starts the rest; processes that are not in the plan are told to stop.
  void start();
  /// Stops the edges at once (SIGINT: nobody is there to take their clients), then the broker; on_stopped
  /// follows. Called again: kills what is left.
  void stop();

  // Changes of the fleet. What is so already is left alone.
  /// Fails when the state cannot be written or no process be planned; nothing is changed then.
  [[nodiscard]] Status add_edge(const std::string& name, const Release& release);
  [[nodiscard]] Status replace_edge(const std::string& name, const Release& release);
  [[nodiscard]] Status replace_broker(const Release& release);
  /// Stops it with SIGTERM; it leaves cluster.json at once, and retiring() when it has stopped.
  [[nodiscard]] Status retire_edge(const std::string& name);
  [[nodiscard]] Status set_release(const Release& release);
  [[nodiscard]] Status set_cordoned(const std::string& edge, bool on);
  [[nodiscard]] Status set_maintenance(bool on);
  /// The broker's key may have been replaced: cluster.json tells publishers of it.
  void look_at_keys();
  [[nodiscard]] const Fleet& fleet() const noexcept { return saved_.fleet; }

  [[nodiscard]] bool all_ready() const;
  [[nodiscard]] std::vector<const SupervisedProcess*> processes() const;  ///< the broker first
  [[nodiscard]] std::vector<const SupervisedProcess*> retiring() const;
  [[nodiscard]] ClusterFile file() const;

 private:
  [[nodiscard]] std::unique_ptr<SupervisedProcess> make(SupervisedProcess::Spec spec);
  [[nodiscard]] bool adopt(SupervisedProcess& process);
  void start_edges();
  void dismiss_strangers();
  void on_started(SupervisedProcess& process);
  void on_ready(SupervisedProcess& process);
  void on_hopeless(SupervisedProcess& process, int exit_code);
  void on_stopped();
  [[nodiscard]] Status save();
  [[nodiscard]] Status save_fleet(Fleet before);
  [[nodiscard]] SupervisedProcess* edge(const std::string& name) const;
  void sort_edges();
  void announce();
  void sweep();
  void note();
  void write_cluster_file();

  loop::Loop& loop_;
  const Clock& clock_;
  Random& random_;
  const Config& config_;
  Folder folder_;
  Plan plan_;
  SavedState saved_;
  std::string admin_url_;
  Events events_;
  std::unique_ptr<SupervisedProcess> broker_;
  std::vector<std::unique_ptr<SupervisedProcess>> edges_;
  std::vector<std::unique_ptr<SupervisedProcess>> retiring_;
  loop::Timer sweep_;  ///< frees those that have stopped, outside of their own callbacks
  bool adopted_ = false;
  bool edges_started_ = false;
  bool announced_ = false;
  bool stopping_ = false;
};

}  // namespace tocsin::ops
