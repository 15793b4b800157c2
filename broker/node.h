#pragma once
// Node: the broker's core on real parts - ZeroMQ, SQLite, the system's clock, HTTP for health and metrics.
//
// Thread: the loop's; the storage thread is inside the store.
#include <memory>

#include "broker/config.h"
#include "common/config/reload.h"
#include "common/result.h"

namespace tocsin::broker {

class Node {
 public:
  /// Claims the data folder, recovers the log, listens. Fails with a sentence that says what to do; nothing
  /// is left running.
  /// `reload` outlives the node.
  [[nodiscard]] static Result<std::unique_ptr<Node>> start(config::Reload<Config>& reload);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// SIGHUP, and POST /admin/reload, read the settings again (common/config/reload.h).
  /// Serves until SIGTERM or SIGINT; then takes nothing new, commits and answers what is under way, and
  /// returns.
  void run();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tocsin::broker
