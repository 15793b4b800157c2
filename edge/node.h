#pragma once
// Node: an edge process put together. Owns the loop and everything on it; knows every layer, and nothing
// knows it.
//
//   run(): listening --(broker reached, canary seen)--> ready file written ...
//          ... --SIGTERM, with clients and another edge--> draining --(empty | drain.deadline_ms)--.
//          ... --SIGTERM otherwise, a second one, SIGINT--------------------------------------------+-->
//          stopping: no new clients, all told `restart` --(all gone | run.stop_timeout_ms | one more
//          signal)--> returns
//
// SIGHUP, and POST /admin/reload, read the settings again (common/config/reload.h).
// An edge without its broker keeps its clients, says so at /health/ready, and takes new ones, who wait.
// Thread: the main one, which is the loop's.
#include <memory>

#include "common/config/reload.h"
#include "common/result.h"
#include "edge/config.h"

namespace tocsin::edge {

class Node {
 public:
  /// `reload` outlives the node.
  explicit Node(config::Reload<Config>& reload);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Listens and starts to look for the broker. Fails with invalid_argument (a setting is wrong, a key file
  /// unreadable) or io (the port is taken), in a sentence for the operator.
  Status start();
  /// Serves until SIGTERM or SIGINT.
  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::edge
