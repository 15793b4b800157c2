// tocsin-limit: the yardstick. The least that a WebSocket broadcast server on plain epoll must do: no order
// kept over restarts, no log, no filter, no slow-client policy. Speaks just enough of tocsin.v1.json for
// tocsin-loadgen: `subscribe` is answered, each `publish` becomes one `update` sent to every subscriber, one
// send() per client for all that is queued. With a certificate it is the limit for TLS: OpenSSL on the
// socket, one SSL_write per client for all that is queued.
//
//   tocsin-limit PORT [CERT KEY]        prints "ready PORT" once it listens (PORT 0: any free port)
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Client {
  bool upgraded = false;
  int place = -1;  // in subscribers_
  SSL* ssl = nullptr;
  std::string in;
  std::string unsent;
};

std::string accept_key(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 64> out{};
  const int n = EVP_EncodeBlock(out.data(), digest.data(), SHA_DIGEST_LENGTH);
  return {reinterpret_cast<const char*>(out.data()), static_cast<std::size_t>(n)};
}

std::string text_frame(std::string_view payload) {
  std::string f;
  f.push_back(static_cast<char>(0x81));
  if (payload.size() < 126) {
    f.push_back(static_cast<char>(payload.size()));
  } else {
    f.push_back(126);
    f.push_back(static_cast<char>(payload.size() >> 8U));
    f.push_back(static_cast<char>(payload.size() & 0xFFU));
  }
  f.append(payload);
  return f;
}

/// The JSON string or object that follows `name`; enough for frames that tocsin-loadgen writes.
std::string_view member(std::string_view json, std::string_view name, char closing) {
  const auto at = json.find(name);
  if (at == std::string_view::npos) return {};
  const auto rest = json.substr(at + name.size());
  return rest.substr(0, rest.find(closing));
}

class Server {
 public:
  bool use_tls(const char* cert, const char* key) {
    tls_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(
        tls_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls_, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(tls_, 0);
    return SSL_CTX_use_certificate_chain_file(tls_, cert) == 1 &&
           SSL_CTX_use_PrivateKey_file(tls_, key, SSL_FILETYPE_PEM) == 1;
  }

  int listen_on(std::uint16_t port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int one = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&a), sizeof a) != 0 ||
        ::listen(listener_, 4096) != 0)
      return -1;
    socklen_t len = sizeof a;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &len);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
    return ntohs(a.sin_port);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 512> events{};
    for (;;) {
      const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < n; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.fd == listener_) {
          accept_all();
        } else {
          on_event(event.data.fd, event.events);
        }
      }
      broadcast();
    }
  }

 private:
  void watch(int fd, std::uint32_t mask, int op) {
    epoll_event event{};
    event.events = mask;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, op, fd, &event);
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int one = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      if (clients_.size() <= static_cast<std::size_t>(fd)) clients_.resize(static_cast<std::size_t>(fd) + 1);
      Client& c = clients_[static_cast<std::size_t>(fd)] = Client{};
      if (tls_ != nullptr) {
        c.ssl = SSL_new(tls_);
        SSL_set_fd(c.ssl, fd);
        SSL_set_accept_state(c.ssl);
      }
      watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
  }

  /// More than 0: bytes; 0: nothing now; less: the connection has ended.
  static ssize_t receive(int fd, const Client& c, char* to, std::size_t size) {
    if (c.ssl != nullptr) {
      const int n = SSL_read(c.ssl, to, static_cast<int>(size));
      if (n > 0) return n;
      const int why = SSL_get_error(c.ssl, n);
      ERR_clear_error();
      return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    const ssize_t n = ::recv(fd, to, size, 0);
    return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
  }

  static std::size_t transmit(int fd, const Client& c, std::string_view bytes) {
    if (c.ssl == nullptr)
      return static_cast<std::size_t>(
          std::max<ssize_t>(0, ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT)));
    const int n = SSL_write(c.ssl, bytes.data(), static_cast<int>(bytes.size()));
    if (n <= 0) ERR_clear_error();
    return static_cast<std::size_t>(std::max(0, n));
  }

  void gone(int fd, Client& c) {
    if (c.ssl != nullptr) SSL_free(c.ssl);
    ::close(fd);
    if (c.place >= 0) {
      const auto place = static_cast<std::size_t>(c.place);
      subscribers_[place] = subscribers_.back();
      clients_[static_cast<std::size_t>(subscribers_[place])].place = c.place;
      subscribers_.pop_back();
    }
    c = Client{};
  }

  void on_event(int fd, std::uint32_t events) {
    Client& c = clients_[static_cast<std::size_t>(fd)];
    if ((events & EPOLLOUT) != 0U) send_some(fd, c, {});
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0U) return;
    static std::array<char, 65536> buffer;
    for (;;) {
      const ssize_t n = receive(fd, c, buffer.data(), buffer.size());
      if (n < 0) return gone(fd, c);
      if (n == 0) break;
      c.in.append(buffer.data(), static_cast<std::size_t>(n));
      if (c.ssl == nullptr && static_cast<std::size_t>(n) < buffer.size()) break;
    }
    if (!c.upgraded) upgrade(fd, c);
    if (c.upgraded) parse(fd, c);
  }

  void upgrade(int fd, Client& c) {
    const auto end = c.in.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const auto key = member(c.in, "Sec-WebSocket-Key: ", '\r');
    send_some(
        fd, c,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
            accept_key(key) + "\r\nSec-WebSocket-Protocol: tocsin.v1.json\r\n\r\n");
    c.in.erase(0, end + 4);
    c.upgraded = true;
  }

  void parse(int fd, Client& c) {
    std::size_t at = 0;
    while (c.in.size() - at >= 6) {
      const auto* p = reinterpret_cast<const unsigned char*>(c.in.data()) + at;
      std::size_t len = p[1] & 0x7FU;
      std::size_t head = 6;
      if (len == 126) {
        if (c.in.size() - at < 8) break;
        len = static_cast<std::size_t>(p[2]) << 8U | p[3];
        head = 8;
      }
      if (c.in.size() - at < head + len) break;
      on_message(fd, c,
                 std::string_view(c.in).substr(at + head, len));  // the load generator masks with zeros
      at += head + len;
    }
    c.in.erase(0, at);
    if (c.in.empty()) std::string().swap(c.in);
  }

  void on_message(int fd, Client& c, std::string_view m) {
    if (m.find("\"type\":\"subscribe\"") != std::string_view::npos) {
      c.place = static_cast<int>(subscribers_.size());
      subscribers_.push_back(fd);
      send_some(
          fd, c,
          text_frame(
              R"({"type":"subscribed","id":"a","sub":1,"channel":"load","position":{"epoch":"0","offset":)" +
              std::to_string(offset_) + R"(},"outcome":"live"})"));
      return;
    }
    const std::string ref(member(m, "\"ref\":\"", '"'));
    const auto event = m.substr(std::min(m.find("\"event\":"), m.size()));
    const std::string n = std::to_string(++offset_);
    pending_ += text_frame(
        R"({"type":"update","sub":1,"offset":)" + n +
        R"(,"event_id":"00000000000000000000000000000000","kind":"event","key":"","at":"2026-01-01T00:00:00.000Z","actor":"",)" +
        std::string(event.substr(0, event.size() - 1)));
    send_some(fd, c,
              text_frame(R"({"type":"published","ref":")" + ref + R"(","position":{"epoch":"0","offset":)" +
                         n + "}}"));
  }

  void broadcast() {
    if (pending_.empty()) return;
    for (const int fd : subscribers_) send_some(fd, clients_[static_cast<std::size_t>(fd)], pending_);
    pending_.clear();
  }

  void send_some(int fd, Client& c, std::string_view bytes) {
    if (!c.unsent.empty()) {
      c.unsent.append(bytes);
      bytes = {};
    }
    const std::string_view out = c.unsent.empty() ? bytes : std::string_view(c.unsent);
    if (out.empty()) return;
    const std::size_t sent = transmit(fd, c, out);
    const bool was_waiting = !c.unsent.empty();
    std::string rest(out.substr(sent));
    c.unsent = std::move(rest);
    if (was_waiting != !c.unsent.empty())
      watch(fd, EPOLLIN | (c.unsent.empty() ? 0U : static_cast<std::uint32_t>(EPOLLOUT)), EPOLL_CTL_MOD);
  }

  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  int epoll_ = -1;
  std::vector<Client> clients_;
  std::vector<int> subscribers_;
  std::string pending_;
  std::uint64_t offset_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  Server server;
  if (argc > 3 && !server.use_tls(argv[2], argv[3])) {
    std::fputs("tocsin-limit: certificate or key cannot be read (PEM files)\n", stderr);
    return 3;
  }
  const int port = server.listen_on(static_cast<std::uint16_t>(argc > 1 ? std::atoi(argv[1]) : 0));
  if (port < 0) {
    std::perror("tocsin-limit: cannot listen; choose another port");
    return 3;
  }
  std::printf("ready %d\n", port);
  std::fflush(stdout);
  server.run();
}
