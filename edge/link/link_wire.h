#pragma once
// LinkWire: the transport under EdgeLink. Implemented on mq::Dealer by edge/node, and by the simulation's
// network.
//
// Thread: the loop. send() never calls back; what arrives comes through EdgeLink::on_bytes on a later turn.
#include <string>

namespace tocsin::edge {

class LinkWire {
 public:
  virtual ~LinkWire() = default;
  LinkWire(const LinkWire&) = delete;
  LinkWire& operator=(const LinkWire&) = delete;

  /// Hands over one whole link message. False: not taken (no connection, or its bounded queue is full) and
  /// not sent. True promises nothing: the message may still be lost.
  virtual bool send(std::string bytes) = 0;

 protected:
  LinkWire() = default;
};

}  // namespace tocsin::edge
