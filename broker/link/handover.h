#pragma once
// Handover: what edges say to each other through the broker when clients move: records staged on the edge
// where they will be resumed, its answer, and what became of each.
//
//   source --StageSessions--> broker (keeps the records) --> target --StageAnswer--> broker --> source
//   target --SessionMoved--> broker --> source
//
// Invariant: nothing waits here. Who cannot be told is not: staging is answered at once, the rest is lost.
// Thread: the loop.
#include "broker/fanout/peers.h"
#include "broker/link/sessions.h"
#include "broker/metrics.h"
#include "proto/link_message.h"

namespace tocsin::broker {

class Handover {
 public:
  Handover(Sessions& sessions, Peers& peers, Metrics& metrics)
      : sessions_(sessions), peers_(peers), metrics_(metrics) {}

  /// Forwards the records that were kept. Answers invalid_argument for records that may not be staged (then
  /// keeps none), unavailable when the target is not there, overloaded when its queue is full.
  void stage(const Peer& from, link::StageSessions message);
  void staged(const Peer& target, const link::StageAnswer& answer);
  void moved(const Peer& by, link::SessionMoved message);

 private:
  [[nodiscard]] Status may_stage(const Peer& from, const link::StageSessions& message) const;

  Sessions& sessions_;
  Peers& peers_;
  Metrics& metrics_;
};

}  // namespace tocsin::broker
