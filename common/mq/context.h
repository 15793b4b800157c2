#pragma once
// Context: ZeroMQ's context of one process, and who may connect to it: the ZAP handler (RFC 27) that checks CURVE clients
// against the allow-list.
//
// Invariant: Routers and Dealers are destroyed before their Context, the Context before its Loop.
// Thread: the loop's; ZeroMQ's own I/O thread is inside.
#include <memory>
#include <string>
#include <vector>

#include "common/loop/loop.h"

namespace tocsin::mq {

class Context {
 public:
  explicit Context(loop::Loop& loop);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Public keys (Z85) that may connect to CURVE routers; until this is called none may. Takes effect for new connections.
  void allow(const std::vector<std::string>& public_keys);
  /// Every key may connect: encryption without an allow-list.
  void allow_any();

  [[nodiscard]] loop::Loop& loop() noexcept { return loop_; }
  [[nodiscard]] void* native() noexcept;

 private:
  struct State;
  loop::Loop& loop_;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::mq
