#include "common/http/context.h"

#include <libwebsockets.h>

#include <array>
#include <stdexcept>

#include "common/http/trampolines.h"

namespace tocsin::http {
namespace {

/// No keep-alive pings by libwebsockets: its default arms a timer per connection in a sorted list (lib/core/context.c).
const lws_retry_bo_t kNoRetry{};

const std::array<lws_protocols, 3> kClientProtocols{{{kHttpClientProtocol, http_client_callback, 0, 0, 0, nullptr, 0},
                                                     {kWsClientProtocol, ws_client_callback, 0, 4096, 0, nullptr, 0},
                                                     {nullptr, nullptr, 0, 0, 0, nullptr, 0}}};

}  // namespace

Context::Context(loop::Loop& loop) : loop_(loop) {
  lws_set_log_level(0, nullptr);
  lws_context_creation_info info{};
  std::array<void*, 1> loops{loop.native()};
  info.foreign_loops = loops.data();
  info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME;
  info.gid = static_cast<gid_t>(-1);
  info.uid = static_cast<uid_t>(-1);
  info.retry_and_idle_policy = &kNoRetry;
  context_ = lws_create_context(&info);
  if (context_ == nullptr)
    throw std::runtime_error("libwebsockets cannot start; is the package libwebsockets-evlib-uv installed?");
  lws_context_creation_info vhost{};
  vhost.port = CONTEXT_PORT_NO_LISTEN;
  vhost.protocols = kClientProtocols.data();
  vhost.vhost_name = "client";
  vhost.retry_and_idle_policy = &kNoRetry;
  client_vhost_ = lws_create_vhost(context_, &vhost);
  if (client_vhost_ == nullptr) throw std::runtime_error("libwebsockets refused its client vhost");
}

Context::~Context() {
  lws_context_destroy(context_);
  // With a foreign loop the library closes its handles in the turns that follow, and frees the rest when called again.
  for (int turn = 0; turn < 8; ++turn) loop_.run_ready();
  lws_context_destroy(context_);
}

}  // namespace tocsin::http
