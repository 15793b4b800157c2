#pragma once
// SignalsBlocked: keeps signals from this thread while it lives. ZeroMQ's set-up calls fail with EINTR half
// done; there is no undoing them, so they are not interrupted. Internal to common/mq.
#include <csignal>

namespace tocsin::mq {

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace tocsin::mq
