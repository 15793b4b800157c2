#include "edge/net/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

constexpr int kBacklog = 4'096;

void set_option(int fd, int level, int name, int value) noexcept {
  (void)setsockopt(fd, level, name, &value, sizeof value);
}

std::string system_text() { return std::strerror(errno); }

}  // namespace

Listener::Listener(loop::Loop& loop, Settings settings, Metrics& metrics, Gate gate, Accepted accepted)
    : loop_(loop),
      settings_(std::move(settings)),
      metrics_(metrics),
      gate_(std::move(gate)),
      accepted_(std::move(accepted)) {}

Listener::~Listener() { close(); }

Status Listener::listen() {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(settings_.port);
  if (getaddrinfo(settings_.address.c_str(), port.c_str(), &hints, &found) != 0)
    return Error{Errc::invalid_argument,
                 "listen.address must be an IP address, not \"" + settings_.address + "\""};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  return bind_to(found->ai_addr, found->ai_addrlen, found->ai_family);
}

Status Listener::bind_to(const sockaddr* address, socklen_t size, int family) {
  fd_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return Error{Errc::io, "no socket to listen on: " + system_text()};
  set_option(fd_, SOL_SOCKET, SO_REUSEADDR, 1);
  if (settings_.sharing == PortSharing::shared) set_option(fd_, SOL_SOCKET, SO_REUSEPORT, 1);
  // Inherited by accepted sockets, where it must be set before the handshake to bound the window as well.
  if (settings_.send_buffer_bytes > 0) set_option(fd_, SOL_SOCKET, SO_SNDBUF, settings_.send_buffer_bytes);
  if (bind(fd_, address, size) != 0 || ::listen(fd_, kBacklog) != 0) {
    const std::string why = system_text();
    close();
    return Error{Errc::io, "cannot listen on " + settings_.address + " port " +
                               std::to_string(settings_.port) + ": " + why +
                               "; choose another with --listen-port, or 0 for any free one"};
  }
  sockaddr_storage bound{};
  socklen_t bound_size = sizeof bound;
  getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &bound_size);
  port_ = ntohs(family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                   : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
  spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  poll_.emplace(loop_, fd_, [this](loop::Events) { accept_some(); });
  poll_->watch({.readable = true});
  return Done{};
}

void Listener::close() {
  poll_.reset();
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (spare_ >= 0) ::close(std::exchange(spare_, -1));
}

void Listener::accept_some() {
  for (int i = 0; i < settings_.accepts_per_turn && fd_ >= 0; ++i) {
    if (!gate_()) {
      paused_ = true;
      return poll_->stop();
    }
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const int fd = accept4(fd_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
      metrics_.net_accepted.add();
      accepted_(fd, from);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return turn_one_away();
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    // Anything else concerns the one connection that could not be accepted.
  }
}

void Listener::go_on() {
  if (poll_ && std::exchange(paused_, false)) poll_->watch({.readable = true});
}

void Listener::turn_one_away() {
  metrics_.net_turned_away.add();
  if (spare_ < 0) return;
  ::close(std::exchange(spare_, -1));
  const int fd = accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) ::close(fd);
  spare_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

}  // namespace tocsin::edge
