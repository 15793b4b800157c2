#pragma once
// Answers: what publishers are told, on its way out. While an edge has more than half of link.lag_max_bytes
// under way and takes it in, answers wait: publishers keep to a window of unanswered updates, and so to the
// pace of the edges, where otherwise a fast replay would push every edge beyond its bound and make the broker
// serve the log a second time.
//
// Invariant: answers leave in the order they came. None waits for an edge that has taken in nothing for
// kPatience. Thread: the loop.
#include <deque>
#include <string>
#include <utility>

#include "broker/fanout/peers.h"

namespace tocsin::broker {

class Answers {
 public:
  explicit Answers(Peers& peers) : peers_(peers) {}

  void give(std::string peer, link::PublishResult result);
  /// Sends what need not wait any more: after each heartbeat of an edge, and with every tick.
  void release();
  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }

 private:
  Peers& peers_;
  std::deque<std::pair<std::string, link::PublishResult>> waiting_;
};

}  // namespace tocsin::broker
