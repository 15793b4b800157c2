#include "ops/supervisor/ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tocsin::ops {
namespace {
constexpr std::uint16_t kFirst = 15'000;
constexpr std::uint16_t kCount = 17'000;
constexpr int kAttempts = 200;
}  // namespace

bool port_free(const std::string& address, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // SO_REUSEADDR: connections of a process that ended may linger. Without SO_REUSEPORT: a listener that has
  // it counts as taken.
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_ANY);
  ::inet_pton(AF_INET, address.c_str(), &where.sin_addr);
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0;
  ::close(fd);
  return free;
}

Result<std::uint16_t> choose_port(const std::string& address, std::set<std::uint16_t>& taken,
                                  Random& random) {
  for (int i = 0; i < kAttempts; ++i) {
    const auto port = static_cast<std::uint16_t>(kFirst + random.u64() % kCount);
    if (taken.contains(port) || !port_free(address, port)) continue;
    taken.insert(port);
    return port;
  }
  return Error{Errc::unavailable, "no free port found on " + address};
}

}  // namespace tocsin::ops
