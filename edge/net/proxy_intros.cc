#include "edge/net/proxy_intros.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "common/net/proxy_header.h"

namespace tocsin::edge {

void ProxyIntros::add(int fd, const net::IpAddress& proxy, Instant due, bool plain) {
  const auto place = waiting_.insert(waiting_.end(), Waiting{fd, proxy, due, plain, {}, nullptr});
  place->poll = std::make_unique<loop::Poll>(loop_, fd, [this, place](loop::Events) { read(place); });
  place->poll->watch({.readable = true});
}

/// Looks before it takes: of a header that is not complete everything is taken, of one that is its rest.
void ProxyIntros::read(Place place) {
  std::array<char, net::kMaxProxyHeader> ahead;
  const ssize_t got = recv(place->fd, ahead.data(), ahead.size(), MSG_PEEK | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return refuse(place);
  const std::size_t before = place->header.size();
  place->header.append(ahead.data(), static_cast<std::size_t>(got));
  const auto header = net::read_proxy_header(place->header);
  if (header.state == net::ProxyHeader::State::malformed) return refuse(place);
  const bool complete = header.state == net::ProxyHeader::State::complete;
  const std::size_t take = complete ? header.size - before : static_cast<std::size_t>(got);
  if (recv(place->fd, ahead.data(), take, MSG_DONTWAIT) != static_cast<ssize_t>(take)) return refuse(place);
  if (!complete) return;
  const int fd = place->fd;
  const bool plain = place->plain;
  const Caller from{header.from.known() ? header.from : place->proxy, header.secure};
  waiting_.erase(place);
  introduced_(fd, from, plain);
}

void ProxyIntros::refuse(Place place) {
  const int fd = place->fd;
  const auto proxy = place->proxy;
  waiting_.erase(place);  // the poll before its descriptor
  ::close(fd);
  refused_(proxy);
}

void ProxyIntros::expire(Instant now) {
  while (!waiting_.empty() && waiting_.front().due <= now) refuse(waiting_.begin());
}

void ProxyIntros::clear() {
  while (!waiting_.empty()) {
    const int fd = waiting_.front().fd;
    waiting_.pop_front();
    ::close(fd);
  }
}

}  // namespace tocsin::edge
