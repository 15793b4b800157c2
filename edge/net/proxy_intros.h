#pragma once
// ProxyIntros: connections of proxies that speak the PROXY protocol, until their header has said whose they
// are. Exactly the header is read: what follows is the client's, and TLS or HTTP for others to read.
//
// Invariant: a descriptor given to add() is handed on once, or closed when the header is malformed, not there
// in time, or the other side hangs up. Thread: the loop.
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "common/clock.h"
#include "common/loop/handles.h"
#include "common/net/ip.h"
#include "edge/net/way_in.h"

namespace tocsin::edge {

class ProxyIntros {
 public:
  /// Whose connection it is; the proxy's own when it speaks for itself.
  using Introduced = std::function<void(int fd, const Caller& from, bool plain)>;
  using Refused = std::function<void(const net::IpAddress& proxy)>;

  ProxyIntros(loop::Loop& loop, Introduced introduced, Refused refused)
      : loop_(loop), introduced_(std::move(introduced)), refused_(std::move(refused)) {}
  ~ProxyIntros() { clear(); }
  ProxyIntros(const ProxyIntros&) = delete;
  ProxyIntros& operator=(const ProxyIntros&) = delete;

  /// `plain`: handed on as it is.
  void add(int fd, const net::IpAddress& proxy, Instant due, bool plain);
  /// Closes those whose time is over.
  void expire(Instant now);
  void clear();
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

 private:
  struct Waiting {
    int fd;
    net::IpAddress proxy;
    Instant due;
    bool plain;
    std::string header;  ///< as far as it was read
    std::unique_ptr<loop::Poll> poll;
  };
  using Place = std::list<Waiting>::iterator;
  void read(Place place);
  void refuse(Place place);

  loop::Loop& loop_;
  Introduced introduced_;
  Refused refused_;
  std::list<Waiting> waiting_;  ///< in order of their time
};

}  // namespace tocsin::edge
