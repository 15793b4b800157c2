#pragma once
// Context: libwebsockets on a loop::Loop, shared by the Servers, Clients and WsClients of one process. The edge's client
// traffic does not come here: edge/net has a context of its own, tuned for it.
//
// Invariant: what was made on a Context is destroyed before it, and the Context before its Loop. Its destructor turns the
// loop, as the library closes its sockets there: whatever else could call back must be stopped before.
// Thread: the loop's.
#include <memory>
#include <utility>
#include <vector>

#include "common/loop/loop.h"

struct lws_context;
struct lws_vhost;

namespace tocsin::http {

class Context {
 public:
  /// Throws std::runtime_error when libwebsockets cannot start (its libuv plug-in is missing: package libwebsockets-evlib-uv).
  explicit Context(loop::Loop& loop);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] lws_context* native() noexcept { return context_; }
  /// The vhost of outgoing connections.
  [[nodiscard]] lws_vhost* client_vhost() noexcept { return client_vhost_; }
  [[nodiscard]] loop::Loop& loop() noexcept { return loop_; }
  /// Keeps what a vhost points to until the library is gone: it closes a vhost's connections at its leisure.
  void keep(std::shared_ptr<void> what) { kept_.push_back(std::move(what)); }

 private:
  loop::Loop& loop_;
  lws_context* context_ = nullptr;
  lws_vhost* client_vhost_ = nullptr;
  std::vector<std::shared_ptr<void>> kept_;
};

}  // namespace tocsin::http
