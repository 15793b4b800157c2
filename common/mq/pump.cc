#include "common/mq/pump.h"

#include <utility>

#include "common/mq/socket_io.h"

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
    if ((take_news(socket_) & ZMQ_POLLIN) == 0 || !receive_one_()) return;
  }
  used();  // more may wait: go on in the next turn
}

}  // namespace tocsin::mq
