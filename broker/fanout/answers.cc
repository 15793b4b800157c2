#include "broker/fanout/answers.h"

namespace tocsin::broker {

void Answers::give(std::string peer, link::PublishResult result) {
  if (waiting_.empty() && !peers_.crowded()) {
    peers_.send(peer, std::move(result));
    return;
  }
  waiting_.emplace_back(std::move(peer), std::move(result));
}

void Answers::release() {
  while (!waiting_.empty() && !peers_.crowded()) {
    auto [peer, result] = std::move(waiting_.front());
    waiting_.pop_front();
    peers_.send(peer, std::move(result));
  }
}

}  // namespace tocsin::broker
