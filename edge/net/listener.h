#pragma once
// Listener: the edge's own listening socket. The library's has no SO_REUSEPORT in Debian's build, accepts
// without a bound, and spins when descriptors run out.
//
// Invariant: every accepted descriptor is non-blocking, close-on-exec, without Nagle's delay and with a
// bounded send buffer, and is handed on once. Out of descriptors: waiting connections are accepted on a spare
// one and closed, so that they learn of it and the loop does not spin. Thread: the loop.
#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/loop/handles.h"
#include "common/result.h"
#include "edge/metrics.h"

namespace tocsin::edge {

enum class PortSharing : std::uint8_t { alone, shared };

class Listener {
 public:
  struct Settings {
    std::string address;
    std::uint16_t port = 0;
    PortSharing sharing = PortSharing::alone;
    int send_buffer_bytes = 0;
    int accepts_per_turn = 64;
  };
  using Accepted = std::function<void(int fd, const sockaddr_storage& from)>;
  /// Whether one more may be accepted now. After a no nothing is looked at until go_on().
  using Gate = std::function<bool()>;

  Listener(loop::Loop& loop, Settings settings, Metrics& metrics, Gate gate, Accepted accepted);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Fails with invalid_argument (no such address) or io (port in use); the detail is a sentence for the
  /// operator.
  Status listen();
  /// New connections are refused by the system from now on.
  void close();
  /// Looks again at what waits, after the gate was closed.
  void go_on();
  /// The port, also when 0 was asked for.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  Status bind_to(const sockaddr* address, socklen_t size, int family);
  void accept_some();
  void turn_one_away();

  loop::Loop& loop_;
  const Settings settings_;
  Metrics& metrics_;
  Gate gate_;
  Accepted accepted_;
  bool paused_ = false;
  int fd_ = -1;
  int spare_ = -1;
  std::uint16_t port_ = 0;
  std::optional<loop::Poll> poll_;
};

}  // namespace tocsin::edge
