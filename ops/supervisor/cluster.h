#pragma once
// Cluster: the processes of a local cluster, kept running in their order: the broker, then the edges.
// Remembers them on disk so that the next supervisor adopts them; writes cluster.json when all are ready and
// after every restart.
//
// Invariant: cluster.json exists only while the cluster is up, and every address in it has once been ready.
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

  Cluster(loop::Loop& loop, const Clock& clock, const Config& config, Folder folder, Plan plan,
          SavedState saved, std::string admin_url, Events events);

  /// Adopts what still runs as planned, starts the rest; processes that are not in the plan are told to stop.
  void start();
  /// Stops the edges, then the broker; on_stopped follows. Called again: kills what is left.
  void stop();

  [[nodiscard]] bool all_ready() const;
  [[nodiscard]] std::vector<const SupervisedProcess*> processes() const;  ///< the broker first
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
  void save();
  void write_cluster_file();

  loop::Loop& loop_;
  const Clock& clock_;
  const Config& config_;
  Folder folder_;
  Plan plan_;
  SavedState saved_;
  std::string admin_url_;
  Events events_;
  std::unique_ptr<SupervisedProcess> broker_;
  std::vector<std::unique_ptr<SupervisedProcess>> edges_;
  bool edges_started_ = false;
  bool announced_ = false;
  bool stopping_ = false;
};

}  // namespace tocsin::ops
