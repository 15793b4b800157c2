#include "tools/loadgen/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace tocsin::loadgen {
namespace {

constexpr std::size_t kReadChunk = 65536;
constexpr std::size_t kKeepCapacity = 256;

sockaddr_in ipv4(const std::string& host, std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  inet_pton(AF_INET, host.c_str(), &a.sin_addr);
  return a;
}

/// What a Retry-After header says, in seconds; -1 without one. Header names come in lower case or as in RFC
/// 9110.
int retry_after(std::string_view head) {
  auto at = head.find("\r\nretry-after: ");
  if (at == std::string_view::npos) at = head.find("\r\nRetry-After: ");
  int seconds = -1;
  if (at != std::string_view::npos)
    std::from_chars(head.data() + at + 15, head.data() + head.size(), seconds);
  return seconds;
}

/// The read buffer that all connections share: an idle connection owns none.
std::array<char, kReadChunk>& scratch() {
  static std::array<char, kReadChunk> buffer;
  return buffer;
}

}  // namespace

bool Connection::start(const Target& target, const Upgrade& upgrade, const std::string& source) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  transport_.open(fd, wire_.tls);
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (wire_.receive_buffer > 0)
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wire_.receive_buffer, sizeof wire_.receive_buffer);
  if (!source.empty()) {
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    const sockaddr_in from = ipv4(source, 0);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) return false;
  }
  const sockaddr_in to = ipv4(target.host, target.port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
    return false;
  state_ = State::connecting;
  bare_ = upgrade.path.empty();
  if (bare_) return true;
  request_ = "GET " + upgrade.path + " HTTP/1.1\r\nHost: " + target.host + ":" + std::to_string(target.port) +
             "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dG9jc2luLWxvYWRnZW4tMQ==\r\n";
  if (!upgrade.subprotocol.empty()) request_ += "Sec-WebSocket-Protocol: " + upgrade.subprotocol + "\r\n";
  if (wire_.deflate != nullptr)
    request_ +=
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
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
  if (::getsockopt(fd(), SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) return end();
  state_ = bare_ ? State::open : State::upgrading;
  out_ = bare_ ? std::move(early_) : std::move(request_);
  return true;
}

bool Connection::on_writable() {
  if (state_ == State::connecting && !finish_connect()) return false;
  return flush();
}

bool Connection::flush() {
  while (!out_.empty()) {
    const auto sent = transport_.send(out_.data(), out_.size());
    if (sent.io == Transport::Io::ended) return end();
    if (sent.io == Transport::Io::again) return true;
    out_.erase(0, sent.bytes);
  }
  if (out_.capacity() > kKeepCapacity) std::string().swap(out_);
  return true;
}

bool Connection::on_readable() {
  if (state_ == State::connecting) return true;
  auto& buffer = scratch();
  while (!paused_) {
    const auto got = transport_.receive(buffer.data(), buffer.size());
    if (got.io == Transport::Io::ended) return end();
    if (got.io == Transport::Io::again) break;
    bytes_read_ += got.bytes;
    if (!take_bytes({buffer.data(), got.bytes})) return false;
    if (!transport_.secure() && got.bytes < buffer.size()) break;
  }
  return flush();  // TLS may have waited for the peer
}

bool Connection::take_bytes(std::string_view bytes) {
  if (bare_) {
    on_message_(*this, bytes);
    return state_ == State::open;
  }
  if (state_ == State::open && in_.empty()) {  // the common case: nothing is torn, nothing is copied
    std::size_t used = 0;
    const bool alive = parse(bytes, used);
    in_.assign(bytes.substr(used));
    return alive;
  }
  in_.append(bytes);
  if (state_ == State::upgrading && !finish_upgrade()) return false;
  if (state_ != State::open) return true;
  std::size_t used = 0;
  const bool alive = parse(in_, used);
  in_.erase(0, used);
  if (in_.empty()) std::string().swap(in_);
  return alive;
}

bool Connection::finish_upgrade() {
  const auto end_of_head = in_.find("\r\n\r\n");
  if (end_of_head == std::string::npos) return in_.size() < 16384 || end();
  const auto head = std::string_view(in_).substr(0, end_of_head);
  if (head.starts_with("HTTP/1.1 503")) retry_after_s_ = retry_after(head);
  if (!head.starts_with("HTTP/1.1 101") || !agree(head)) return end();
  in_.erase(0, end_of_head + 4);
  state_ = State::open;
  out_ += early_;
  std::string().swap(early_);
  return flush();
}

/// One inflater serves all: a server that keeps history between messages is not taken.
bool Connection::agree(std::string_view head) {
  if (head.find("permessage-deflate") == std::string_view::npos) return true;
  deflates_ = wire_.deflate != nullptr && head.find("server_no_context_takeover") != std::string_view::npos;
  return deflates_;
}

/// Hands out the whole frames in `bytes`; `used` is what they take.
bool Connection::parse(std::string_view bytes, std::size_t& used) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  while (bytes.size() - used >= 2) {
    std::uint64_t len = p[used + 1] & 0x7FU;
    std::size_t head = 2;
    if (len >= 126) {
      const std::size_t extra = len == 126 ? 2 : 8;
      if (bytes.size() - used < 2 + extra) return true;
      len = 0;
      for (std::size_t i = 0; i < extra; ++i) len = len << 8U | p[used + 2 + i];
      head += extra;
    }
    if (bytes.size() - used < head + len) return true;
    const std::size_t at = used + head;
    used = at + static_cast<std::size_t>(len);
    if (!on_frame(p[at - head], bytes.substr(at, static_cast<std::size_t>(len)))) return false;
  }
  return true;
}

/// `first`: FIN, RSV1-3 and opcode. A fragment ends the connection: no server under test may send any.
bool Connection::on_frame(unsigned first, std::string_view payload) {
  constexpr unsigned kFin = 0x80, kCompressed = 0x40, kOdd = 0x30;
  const unsigned opcode = first & 0x0FU;
  if ((first & kFin) == 0 || (first & kOdd) != 0 || ((first & kCompressed) != 0 && !deflates_)) return end();
  switch (opcode) {
    case 1:
    case 2:
      if ((first & kCompressed) != 0) {
        payload = wire_.deflate->inflate(payload);
        if (payload.data() == nullptr) return end();
      }
      on_message_(*this, payload);
      return state_ == State::open;
    case 8:
      if (payload.size() >= 2)
        close_code_ = static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
      return end();
    case 9:
      queue_frame(10, payload);
      return true;
    case 10:
      return true;
    default:
      return end();
  }
}

void Connection::queue_frame(std::uint8_t opcode, std::string_view payload) {
  std::string& to = state_ == State::open ? out_ : early_;
  if (bare_) {
    to.append(payload);
    return;
  }
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
    for (int shift = 56; shift >= 0; shift -= 8)
      to.push_back(static_cast<char>(std::uint64_t{n} >> shift & 0xFFU));
  }
  to.append(4, '\0');  // a zero mask is legal and leaves the payload as it is
  to.append(payload);
}

void Connection::send(std::uint8_t opcode, std::string_view payload) {
  queue_frame(opcode, payload);
  if (state_ == State::open && !corked_) flush();
}

void Connection::cork(bool on) {
  corked_ = on;
  if (!on && state_ == State::open) flush();
}

}  // namespace tocsin::loadgen
