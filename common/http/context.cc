#include "common/http/context.h"

#include <libwebsockets.h>
#include <openssl/ssl.h>

#include <array>
#include <stdexcept>

#include "common/http/client.h"
#include "common/http/trampolines.h"

namespace tocsin::http {
namespace {

/// No keep-alive pings by libwebsockets: its default arms a timer per connection in a sorted list
/// (lib/core/context.c).
const lws_retry_bo_t kNoRetry{};

const std::array<lws_protocols, 3> kClientProtocols{
    {{kHttpClientProtocol, http_client_callback, 0, 0, 0, nullptr, 0},
     {kWsClientProtocol, ws_client_callback, 0, 4096, 0, nullptr, 0},
     {nullptr, nullptr, 0, 0, 0, nullptr, 0}}};

std::shared_ptr<SSL_CTX> make_client_tls(const Trust& trust) {
  std::shared_ptr<SSL_CTX> tls(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!tls) throw std::runtime_error("OpenSSL does not start");
  SSL_CTX_set_min_proto_version(tls.get(), TLS1_2_VERSION);
  if (trust.in == Trust::In::anyone) return tls;
  if (trust.ca_file.empty())
    SSL_CTX_set_default_verify_paths(tls.get());
  else if (SSL_CTX_load_verify_file(tls.get(), trust.ca_file.c_str()) != 1)
    throw std::runtime_error(trust.ca_file + " holds no certificates in PEM form");
  return tls;
}

bool is_this_machine(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "::1" || host.starts_with("127.");
}

}  // namespace

Context::Context(loop::Loop& loop, const Trust& trust) : loop_(loop), trust_(trust.in) {
  lws_set_log_level(0, nullptr);
  // First: nothing that throws may leave the library's handles on the loop.
  if (trust_ != Trust::In::nobody) client_tls_ = make_client_tls(trust);
  lws_context_creation_info info{};
  std::array<void*, 1> loops{loop.native()};
  info.foreign_loops = loops.data();
  info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                 LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME;
  if (trust_ != Trust::In::nobody) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
  info.gid = static_cast<gid_t>(-1);
  info.uid = static_cast<uid_t>(-1);
  info.retry_and_idle_policy = &kNoRetry;
  context_ = lws_create_context(&info);
  if (context_ == nullptr)
    throw std::runtime_error("libwebsockets cannot start; is the package libwebsockets-evlib-uv installed?");
  lws_context_creation_info vhost{};
  if (trust_ != Trust::In::nobody) {
    vhost.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    vhost.provided_client_ssl_ctx = client_tls_.get();
  }
  vhost.port = CONTEXT_PORT_NO_LISTEN;
  vhost.protocols = kClientProtocols.data();
  vhost.vhost_name = "client";
  vhost.retry_and_idle_policy = &kNoRetry;
  client_vhost_ = lws_create_vhost(context_, &vhost);
  if (client_vhost_ == nullptr) throw std::runtime_error("libwebsockets refused its client vhost");
}

Context::~Context() {
  lws_context_destroy(context_);
  // With a foreign loop the library closes its handles in the turns that follow, and frees the rest when
  // called again.
  for (int turn = 0; turn < 8; ++turn) loop_.run_ready();
  lws_context_destroy(context_);
}

Result<int> Context::connection_flags(const Url& url) const {
  if (!url.secure()) return 0;
  if (trust_ == Trust::In::nobody)
    return Error{Errc::invalid_argument, url.scheme + ":// is not spoken here"};
  int flags = LCCSCF_USE_SSL;
  if (trust_ == Trust::In::anyone)
    flags |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_EXPIRED | LCCSCF_ALLOW_INSECURE;
  // A cluster on this machine is reached by address, while its certificate names the host that others know it
  // by.
  if (trust_ == Trust::In::anyone || is_this_machine(url.host))
    flags |= LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
  return flags;
}

}  // namespace tocsin::http
