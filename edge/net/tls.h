#pragma once
// Tls: the server's side of TLS as the settings ask for it. libwebsockets makes the SSL_CTX and drives the
// handshakes; what is in the context is decided here, so that a wrong file is told in a sentence before
// anything listens.
//
// Versions 1.2 and 1.3, forward secrecy and AEAD only (Mozilla's "intermediate"). Tuned for very many idle
// connections: no session cache, no tickets, read and write buffers given back between records. Thread: the
// loop.
#include "common/result.h"
#include "edge/config.h"

struct ssl_ctx_st;

namespace tocsin::edge::tls {

[[nodiscard]] inline bool wanted(const Config& config) noexcept {
  return !config.tls_cert_file.empty() || !config.tls_key_file.empty();
}

/// Whether the settings make a working server. Fails with invalid_argument and a sentence for the operator:
/// which file, what is wrong with it, what to do. Logs a warning for a certificate that has ended or ends
/// within 14 days.
[[nodiscard]] Status check(const Config& config);
/// Sets up `context`, the same way. After a failure it is of no use.
[[nodiscard]] Status set_up(ssl_ctx_st* context, const Config& config);

}  // namespace tocsin::edge::tls
