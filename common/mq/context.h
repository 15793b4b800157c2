#pragma once
// Context: ZeroMQ's context of one process, and who may connect to it: the ZAP handler (RFC 27) that asks
// whose key a CURVE client's is.
//
// Invariant: Routers and Dealers are destroyed before their Context, the Context before its Loop.
// Thread: the loop's; ZeroMQ's own I/O thread is inside.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/loop/loop.h"

namespace tocsin::mq {

class Context {
 public:
  explicit Context(loop::Loop& loop);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Asked at each handshake of a CURVE router whose public key (Z85) this is: the holder's name, which may
  /// be empty, or nothing to refuse it. Until this is called all are refused.
  using Admission = std::function<std::optional<std::string>(std::string_view key)>;
  void admit(Admission admission);

  [[nodiscard]] loop::Loop& loop() noexcept { return loop_; }
  [[nodiscard]] void* native() noexcept;

 private:
  struct State;
  loop::Loop& loop_;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::mq
