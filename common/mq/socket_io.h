#pragma once
// Sending and receiving without waiting on a ZeroMQ socket, in terms of true and false. cppzmq's own
// functions throw when a signal interrupts them or a peer is gone; both are everyday here, and callers stand
// under libuv's C frames.
//
// Internal to common/mq. Thread: the socket's.
#include <cerrno>
#include <zmq.hpp>

namespace tocsin::mq {

/// Lets the socket take in what ZeroMQ's thread has told it (connections, room in queues, messages): its
/// ZMQ_EVENTS. Sending and receiving look at that news only now and then (libzmq src/socket_base.cpp,
/// process_commands).
inline int take_news(void* socket) {
  int events = 0;
  std::size_t size = sizeof events;
  while (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) != 0)
    if (zmq_errno() != EINTR) return 0;
  return events;
}

/// False when no message waits.
inline bool take(zmq::socket_t& socket, zmq::message_t& message) {
  for (;;) {
    if (zmq_msg_recv(message.handle(), socket.handle(), ZMQ_DONTWAIT) >= 0) return true;
    if (zmq_errno() != EINTR) return false;
  }
}

/// False when the message cannot go now (queue full, peer unknown): it is then still the caller's.
inline bool give(zmq::socket_t& socket, zmq::message_t& message, int more = 0) {
  for (bool again = true;;) {
    if (zmq_msg_send(message.handle(), socket.handle(), ZMQ_DONTWAIT | more) >= 0) return true;
    if (zmq_errno() == EINTR) continue;
    if (!again) return false;
    again = false;
    take_news(socket.handle());  // the refusal may be old news: room was made, or the peer has just connected
  }
}

}  // namespace tocsin::mq
