#pragma once
// PeerPort: the way out to edges and publishers. Implemented over mq::Router by node.cc, and by the simulated
// network. Thread: the loop. send() may lose the message silently later: the link repairs (LINK.md section
// 3).
#include <memory>
#include <string>
#include <string_view>

namespace tocsin::broker {

using SharedBytes = std::shared_ptr<const std::string>;

class PeerPort {
 public:
  virtual ~PeerPort() = default;
  PeerPort(const PeerPort&) = delete;
  PeerPort& operator=(const PeerPort&) = delete;

  /// Queues a message for `peer`. False when the peer is unknown or its queue is full; the message is then
  /// dropped.
  virtual bool send(std::string_view peer, SharedBytes bytes) = 0;

 protected:
  PeerPort() = default;
};

}  // namespace tocsin::broker
