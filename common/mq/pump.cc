#include "common/mq/pump.h"

#include <zmq.h>

#include <utility>

namespace tocsin::mq {
namespace {

int descriptor_of(void* socket) {
  int fd = -1;
  std::size_t size = sizeof fd;
  zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
  return fd;
}

}  // namespace

Pump::Pump(loop::Loop& loop, void* socket, std::function<bool()> receive_one)
    : socket_(socket),
      receive_one_(std::move(receive_one)),
      hook_(loop,
            [this] {
              if (std::exchange(again_, false)) drain();
            }),
      poll_(loop, descriptor_of(socket), [this](loop::Events) { drain(); }) {
  poll_.watch({.readable = true});
  used();
}

void Pump::drain() {
  for (int n = 0; n < kPerTurn; ++n) {
    int events = 0;
    std::size_t size = sizeof events;
    if (zmq_getsockopt(socket_, ZMQ_EVENTS, &events, &size) != 0 || (events & ZMQ_POLLIN) == 0) return;
    if (!receive_one_()) return;
  }
  used();  // more may wait: go on in the next turn
}

}  // namespace tocsin::mq
