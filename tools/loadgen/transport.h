#pragma once
// Transport: bytes over one non-blocking socket, plain or inside TLS (OpenSSL as a client; the handshake
// happens in the first reads and writes). The peer's certificate is not verified: what is measured is a
// server that we started ourselves.
//
// Thread: one.
#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <string>

namespace tocsin::loadgen {

/// What all TLS connections of a run share. TLS 1.3 unless the server knows 1.2 only.
class TlsClient {
 public:
  TlsClient();
  [[nodiscard]] SSL_CTX* native() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
  };
  std::unique_ptr<SSL_CTX, Free> context_;
};

class Transport {
 public:
  enum class Io : unsigned char { some, again, ended };
  struct Result {
    Io io = Io::ended;
    std::size_t bytes = 0;
  };

  Transport() = default;
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  /// Takes the socket over; `tls` null: plain.
  void open(int fd, const TlsClient* tls);
  Result receive(char* to, std::size_t size);
  Result send(const char* from, std::size_t size);
  /// Ends the connection without a goodbye, as a client that lost its network looks to the server's host.
  void abort();

  [[nodiscard]] int fd() const noexcept { return fd_; }
  /// The last send stopped because the socket is full; false while TLS waits for the peer.
  [[nodiscard]] bool wants_write() const noexcept { return wants_write_; }
  [[nodiscard]] bool secure() const noexcept { return ssl_ != nullptr; }
  /// TLS version, as OpenSSL names it; empty when plain.
  [[nodiscard]] std::string version() const { return ssl_ ? SSL_get_version(ssl_.get()) : ""; }

 private:
  Result tls_result(int n);
  struct Free {
    void operator()(SSL* s) const noexcept { SSL_free(s); }
  };
  int fd_ = -1;
  bool wants_write_ = false;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace tocsin::loadgen
