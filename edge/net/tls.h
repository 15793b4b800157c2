#pragma once
// Tls: the server's side of TLS as the settings ask for it. libwebsockets makes an SSL_CTX and drives the
// handshakes; what is in the context is decided here, so that a wrong file is told in a sentence before
// anything listens.
//
// The library's context is a shell that each handshake leaves for the current one (in its server-name
// callback), so a reload only swaps a pointer: new handshakes get the new certificate, connections keep what
// they have for as long as they last.
//
// Versions 1.2 and 1.3, forward secrecy and AEAD only (Mozilla's "intermediate"). Tuned for very many idle
// connections: no session cache, no tickets, read and write buffers given back between records. Thread: the
// loop.
#include <memory>

#include "common/result.h"
#include "edge/config.h"
#include "edge/metrics.h"

struct ssl_st;
struct ssl_ctx_st;

namespace tocsin::edge {

class Tls {
 public:
  /// `metrics` gets the end of the certificate.
  explicit Tls(Metrics& metrics) : metrics_(metrics) {}
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  [[nodiscard]] static bool wanted(const Config& config) noexcept {
    return !config.tls_cert_file.empty() || !config.tls_key_file.empty();
  }

  /// Makes a context of the settings and their files, and keeps it until take(). Fails with invalid_argument
  /// and a sentence for the operator: which file, what is wrong with it, what to do; nothing is kept then.
  [[nodiscard]] Status prepare(const Config& config);
  /// From now on handshakes get what was prepared last. Logs a warning for a certificate that has ended or
  /// ends within 14 days.
  void take(const Config& config);

  /// The library shows its context, once; fails as prepare() does.
  [[nodiscard]] Status adopt(ssl_ctx_st* shell, const Config& config);
  /// Once the library has set its own callbacks, with TLS or without: from now on that stays as it is.
  void steer();

 private:
  using Context = std::shared_ptr<ssl_ctx_st>;
  static int on_server_name(ssl_st* ssl, int* alert, void* self);

  Metrics& metrics_;
  Context prepared_;
  Context current_;
  ssl_ctx_st* shell_ = nullptr;  ///< the library's; null without TLS
  bool running_ = false;
};

}  // namespace tocsin::edge
