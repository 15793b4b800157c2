#include "tools/loadgen/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tocsin::loadgen {
namespace {

constexpr std::size_t kReadChunk = 65536;

sockaddr_in ipv4(const std::string& host, std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  inet_pton(AF_INET, host.c_str(), &a.sin_addr);
  return a;
}

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

/// The read buffer that all connections share: an idle connection owns none.
std::array<char, kReadChunk>& scratch() {
  static std::array<char, kReadChunk> buffer;
  return buffer;
}

}  // namespace

Connection::~Connection() {
  if (fd_ >= 0) ::close(fd_);
}

bool Connection::start(const Target& target, const Upgrade& upgrade, const std::string& source) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (!source.empty()) {
    ::setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    const sockaddr_in from = ipv4(source, 0);
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) return false;
  }
  const sockaddr_in to = ipv4(target.host, target.port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) return false;
  state_ = State::connecting;
  request_ = "GET " + upgrade.path + " HTTP/1.1\r\nHost: " + target.host + ":" + std::to_string(target.port) +
             "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dG9jc2luLWxvYWRnZW4tMQ==\r\n";
  if (!upgrade.subprotocol.empty()) request_ += "Sec-WebSocket-Protocol: " + upgrade.subprotocol + "\r\n";
  request_ += "\r\n";
  return true;
}

bool Connection::end() {
  state_ = State::closed;
  return false;
}

bool Connection::finish_connect() {
  int error = 0;
  socklen_t len = sizeof error;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) return end();
  state_ = State::upgrading;
  out_ = std::move(request_);
  return true;
}

bool Connection::on_writable() {
  if (state_ == State::connecting && !finish_connect()) return false;
  return flush();
}

bool Connection::flush() {
  while (!out_.empty()) {
    const ssize_t n = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (n < 0) return would_block(errno) ? true : end();
    out_.erase(0, static_cast<std::size_t>(n));
  }
  return true;
}

bool Connection::on_readable() {
  if (state_ == State::connecting) return true;
  auto& buffer = scratch();
  while (!paused_) {
    const ssize_t n = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (n == 0) return end();
    if (n < 0) return would_block(errno) ? true : end();
    bytes_read_ += static_cast<std::uint64_t>(n);
    in_.append(buffer.data(), static_cast<std::size_t>(n));
    if (state_ == State::upgrading && !finish_upgrade()) return false;
    if (state_ == State::open && !parse()) return false;
    if (in_.empty() && in_.capacity() > kReadChunk) in_.shrink_to_fit();
    if (static_cast<std::size_t>(n) < buffer.size()) return true;
  }
  return true;
}

bool Connection::finish_upgrade() {
  const auto end_of_head = in_.find("\r\n\r\n");
  if (end_of_head == std::string::npos) return in_.size() < 16384 || end();
  if (in_.compare(0, 12, "HTTP/1.1 101") != 0) return end();
  in_.erase(0, end_of_head + 4);
  state_ = State::open;
  out_ += early_;
  early_.clear();
  early_.shrink_to_fit();
  return flush();
}

bool Connection::parse() {
  const auto* p = reinterpret_cast<const unsigned char*>(in_.data());
  std::size_t at = 0;
  bool alive = true;
  while (alive && in_.size() - at >= 2) {
    const unsigned char opcode = p[at] & 0x0FU;
    std::uint64_t len = p[at + 1] & 0x7FU;
    std::size_t head = 2;
    if (len >= 126) {
      const std::size_t extra = len == 126 ? 2 : 8;
      if (in_.size() - at < 2 + extra) break;
      len = 0;
      for (std::size_t i = 0; i < extra; ++i) len = len << 8U | p[at + 2 + i];
      head += extra;
    }
    if (in_.size() - at < head + len) break;
    const std::string_view payload(in_.data() + at + head, static_cast<std::size_t>(len));
    if (opcode == 1 || opcode == 2) {
      on_message_(*this, payload);
    } else if (opcode == 9) {
      queue_frame(10, payload);
    } else if (opcode == 8) {
      if (payload.size() >= 2)
        close_code_ = static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
      alive = end();
    }
    at += head + static_cast<std::size_t>(len);
  }
  in_.erase(0, at);
  return alive && flush();
}

void Connection::queue_frame(std::uint8_t opcode, std::string_view payload) {
  std::string& to = state_ == State::open ? out_ : early_;
  to.push_back(static_cast<char>(0x80U | opcode));
  const std::size_t n = payload.size();
  if (n < 126) {
    to.push_back(static_cast<char>(0x80U | n));
  } else if (n < 65536) {
    to.push_back(static_cast<char>(0x80U | 126U));
    to.push_back(static_cast<char>(n >> 8U));
    to.push_back(static_cast<char>(n & 0xFFU));
  } else {
    to.push_back(static_cast<char>(0x80U | 127U));
    for (int shift = 56; shift >= 0; shift -= 8) to.push_back(static_cast<char>(std::uint64_t{n} >> shift & 0xFFU));
  }
  to.append(4, '\0');  // a zero mask is legal and leaves the payload as it is
  to.append(payload);
}

void Connection::send(std::uint8_t opcode, std::string_view payload) {
  queue_frame(opcode, payload);
  if (state_ == State::open) flush();
}

}  // namespace tocsin::loadgen
