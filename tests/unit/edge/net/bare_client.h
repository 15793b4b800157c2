#pragma once
// A client's socket by hand: every byte is the test's choice. Non-blocking; the test turns the server's loop
// meanwhile.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>
#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::edge {

struct WsFrame {
  unsigned opcode = 0;
  std::string payload;
};

class BareClient {
 public:
  explicit BareClient(std::uint16_t port, int receive_buffer = 0)
      : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  }
  ~BareClient() { hang_up(); }
  BareClient(const BareClient&) = delete;
  BareClient& operator=(const BareClient&) = delete;

  void hang_up() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void send(std::string_view bytes) {
    CHECK(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /// Takes at most `most` of what has come.
  void receive(std::size_t most = 1 << 20) {
    std::string piece(most, '\0');
    const ssize_t n = recv(fd_, piece.data(), piece.size(), 0);
    if (n > 0) in.append(piece, 0, static_cast<std::size_t>(n));
    if (n == 0 || (n < 0 && errno != EAGAIN)) ended = true;
  }
  void send_frame(unsigned first_byte, std::string_view payload) {
    std::string out(1, static_cast<char>(first_byte));
    if (payload.size() < 126) {
      out.push_back(static_cast<char>(0x80 | payload.size()));
    } else {
      out.push_back(static_cast<char>(0x80 | 126));
      out.push_back(static_cast<char>(payload.size() >> 8));
      out.push_back(static_cast<char>(payload.size() & 255));
    }
    const char mask[] = {1, 2, 3, 4};
    out.append(mask, 4);
    for (std::size_t i = 0; i < payload.size(); ++i)
      out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
    send(out);
  }
  /// The whole frames at the beginning of `in`, taken out.
  std::vector<WsFrame> frames() {
    std::vector<WsFrame> out;
    for (;;) {
      const auto byte = [this](std::size_t i) {
        return static_cast<std::size_t>(static_cast<unsigned char>(in[i]));
      };
      if (in.size() < 2) return out;
      std::size_t head = 2;
      std::size_t length = byte(1) & 127;
      if (length == 126) {
        if (in.size() < 4) return out;
        head = 4;
        length = byte(2) << 8 | byte(3);
      }
      if (in.size() < head + length) return out;
      out.push_back({static_cast<unsigned>(byte(0)), in.substr(head, length)});
      in.erase(0, head + length);
    }
  }

  std::string in;
  bool ended = false;

 private:
  int fd_;
};

}  // namespace tocsin::edge
