#pragma once
// Context: libwebsockets on a loop::Loop, shared by the Servers, Clients and WsClients of one process. The
// edge's client traffic does not come here: edge/net has a context of its own, tuned for it.
//
// Invariant: what was made on a Context is destroyed before it, and the Context before its Loop. Its
// destructor turns the loop, as the library closes its sockets there: whatever else could call back must be
// stopped before. Thread: the loop's.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/loop/loop.h"
#include "common/result.h"

struct lws_context;
struct lws_vhost;
struct ssl_ctx_st;

namespace tocsin::http {

struct Url;

/// Whose certificates outgoing connections believe.
struct Trust {
  enum class In : std::uint8_t {
    nobody,       ///< no TLS at all: https:// and wss:// fail
    authorities,  ///< those in ca_file, or the system's when it is empty; the certificate is for the host
                  ///< asked, unless that is this machine
    anyone,       ///< encrypted, not authenticated: for the health of processes on this machine, never with a
                  ///< secret
  };
  In in = In::nobody;
  std::string ca_file;
};

class Context {
 public:
  /// Throws std::runtime_error when libwebsockets cannot start (its libuv plug-in is missing: package
  /// libwebsockets-evlib-uv), or the file of authorities holds none.
  explicit Context(loop::Loop& loop, const Trust& trust = {});
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] lws_context* native() noexcept { return context_; }
  /// The vhost of outgoing connections.
  [[nodiscard]] lws_vhost* client_vhost() noexcept { return client_vhost_; }
  [[nodiscard]] loop::Loop& loop() noexcept { return loop_; }
  /// The library's `ssl_connection` flags for a connection to `url`. Fails with invalid_argument for TLS
  /// without Trust.
  [[nodiscard]] Result<int> connection_flags(const Url& url) const;
  /// Keeps what a vhost points to until the library is gone: it closes a vhost's connections at its leisure.
  void keep(std::shared_ptr<void> what) { kept_.push_back(std::move(what)); }

 private:
  loop::Loop& loop_;
  lws_context* context_ = nullptr;
  lws_vhost* client_vhost_ = nullptr;
  Trust::In trust_;
  std::shared_ptr<ssl_ctx_st> client_tls_;
  std::vector<std::shared_ptr<void>> kept_;
};

}  // namespace tocsin::http
