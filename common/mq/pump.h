#pragma once
// Pump: calls back while a ZeroMQ socket is readable. ZMQ_FD is edge-triggered and any use of the socket may
// swallow the edge, so the socket is asked again at the end of every turn in which it was used
// (zmq_getsockopt(3), ZMQ_FD).
//
// Internal to common/mq. Thread: the loop's.
#include <functional>

#include "common/loop/handles.h"

namespace tocsin::mq {

class Pump {
 public:
  /// `receive_one` takes one message without waiting and says whether there was one.
  Pump(loop::Loop& loop, void* socket, std::function<bool()> receive_one);
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;
  ~Pump() = default;

  /// Call after every send, successful or not: the socket is looked at before the loop sleeps.
  void used() {
    if (again_) return;
    again_ = true;
    hook_.request();
  }

 private:
  static constexpr int kPerTurn = 256;  ///< messages, so that timers and sockets of others get their turn
  void drain();

  void* socket_;
  std::function<bool()> receive_one_;
  bool again_ = false;
  loop::TurnHook hook_;
  loop::Poll poll_;
};

}  // namespace tocsin::mq
