#pragma once
// WayIn: what the settings proxy.*, origin.* and listen.hosts say of who comes in: whose word on a client's
// address is believed, which sites' pages may connect, under which names this edge is reached. Decisions
// only; a new one is made when the settings change. Thread: the loop.
//
// Invariant: what a header says of the client's address is believed only as far as trusted proxies wrote it:
// X-Forwarded-For is read from its end, and the first address that is not one of theirs is the client.
// Headers of anybody else change nothing.
#include <string>
#include <string_view>
#include <vector>

#include "common/net/ip.h"
#include "common/result.h"
#include "edge/config.h"

namespace tocsin::edge {

/// What proxies write about a request's client.
struct Forwarded {
  std::string for_list;  ///< X-Forwarded-For, its lines joined by commas
  std::string real_ip;   ///< X-Real-IP
  std::string proto;     ///< X-Forwarded-Proto
};

/// Whose request it is.
struct Caller {
  net::IpAddress from;
  bool secure = false;  ///< the client speaks TLS, with this edge or with its proxy
};

class WayIn {
 public:
  /// Fails with invalid_argument: which setting is wrong, and how.
  static Result<WayIn> make(const Config& config);

  [[nodiscard]] bool trusts(const net::IpAddress& peer) const noexcept { return trusted_.contains(peer); }
  /// Connections from here begin with a PROXY header.
  [[nodiscard]] bool introduces(const net::IpAddress& peer) const noexcept {
    return proxy_header_ && trusts(peer);
  }
  /// Of a request that came from `peer`. Its headers are not looked at unless the peer is trusted.
  [[nodiscard]] Caller caller(const Caller& peer, const Forwarded& said) const;

  /// What speaks against a connection opened by a page of `origin` (empty: none was named): forbidden.
  [[nodiscard]] Status origin_ok(std::string_view origin) const;
  /// The same for a plain request, which need not name one.
  [[nodiscard]] Status request_origin_ok(std::string_view origin) const;
  /// What speaks against an upgrade under this Host: forbidden.
  [[nodiscard]] Status host_ok(std::string_view host) const;
  /// Any site may read answers: there is no list.
  [[nodiscard]] bool any_origin() const noexcept { return !listed_ || any_; }

 private:
  /// `scheme://host[:port]`, or of a host `host[:port]`. `*.` before the host: any below it; `:*`: any port.
  struct Pattern {
    std::string scheme;
    std::string host;  ///< with a leading dot when it stands for all below it; "*": any
    std::string port;  ///< empty: the scheme's own; of a host: any. "*": any
  };
  static Result<Pattern> pattern_of(std::string_view text);
  [[nodiscard]] static bool fits(const Pattern& pattern, const Pattern& asked);

  net::Networks trusted_;
  bool proxy_header_ = false;
  bool missing_origin_ = true;
  bool listed_ = false;       ///< origin.allowed names something
  bool any_ = false;          ///< every site
  bool null_origin_ = false;  ///< pages without an origin of their own
  std::vector<Pattern> origins_;
  std::vector<Pattern> hosts_;
};

}  // namespace tocsin::edge
