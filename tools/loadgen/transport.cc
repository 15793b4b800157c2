#include "tools/loadgen/transport.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tocsin::loadgen {
namespace {

constexpr std::size_t kMostAtOnce = 1 << 30;

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

TlsClient::TlsClient() : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
}

Transport::~Transport() {
  if (fd_ >= 0) ::close(fd_);
}

void Transport::open(int fd, const TlsClient* tls) {
  fd_ = fd;
  if (tls == nullptr) return;
  ssl_.reset(SSL_new(tls->native()));
  SSL_set_fd(ssl_.get(), fd);
  SSL_set_connect_state(ssl_.get());
}

Transport::Result Transport::tls_result(int n) {
  if (n > 0) return {Io::some, static_cast<std::size_t>(n)};
  const int why = SSL_get_error(ssl_.get(), n);
  ERR_clear_error();
  wants_write_ = why == SSL_ERROR_WANT_WRITE;
  return {why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? Io::again : Io::ended, 0};
}

Transport::Result Transport::receive(char* to, std::size_t size) {
  if (ssl_) return tls_result(SSL_read(ssl_.get(), to, static_cast<int>(size)));
  const ssize_t n = ::recv(fd_, to, size, 0);
  if (n > 0) return {Io::some, static_cast<std::size_t>(n)};
  return {n < 0 && would_block(errno) ? Io::again : Io::ended, 0};
}

Transport::Result Transport::send(const char* from, std::size_t size) {
  wants_write_ = false;
  if (ssl_) return tls_result(SSL_write(ssl_.get(), from, static_cast<int>(std::min(size, kMostAtOnce))));
  const ssize_t n = ::send(fd_, from, size, MSG_NOSIGNAL);
  if (n >= 0) return {Io::some, static_cast<std::size_t>(n)};
  wants_write_ = would_block(errno);
  return {wants_write_ ? Io::again : Io::ended, 0};
}

void Transport::abort() {
  if (fd_ < 0) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace tocsin::loadgen
