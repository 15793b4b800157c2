#pragma once
// Node: the broker's core on real parts - ZeroMQ, SQLite, the system's clock, HTTP for health and metrics.
//
// Thread: the loop's; the storage thread is inside the store.
#include <memory>

#include "broker/config.h"
#include "common/result.h"

namespace tocsin::broker {

class Node {
 public:
  /// Claims the data folder, recovers the log, listens. Fails with a sentence that says what to do; nothing
  /// is left running.
  [[nodiscard]] static Result<std::unique_ptr<Node>> start(const Config& config);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Serves until SIGTERM or SIGINT; then takes nothing new, commits and answers what is under way, and
  /// returns.
  void run();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tocsin::broker
