#pragma once
// The header that a proxy puts in front of a connection to say whose it is: PROXY protocol, versions 1 (text)
// and 2 (binary). Pure; any thread.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/net/ip.h"

namespace tocsin::net {

/// Longest header that is read: addresses, and what proxies add to them. Longer ones are malformed.
inline constexpr std::size_t kMaxProxyHeader = 2'048;

struct ProxyHeader {
  enum class State : std::uint8_t { incomplete, malformed, complete };
  State state = State::incomplete;
  std::size_t size = 0;  ///< of a complete one; what follows is the client's
  IpAddress from;        ///< unknown: the proxy speaks for itself (a health check)
  bool secure = false;   ///< the client speaks TLS with the proxy; only version 2 can say so
};

/// What `bytes`, the beginning of a connection, are so far. While they are incomplete all of them belong to
/// the header.
[[nodiscard]] ProxyHeader read_proxy_header(std::string_view bytes);

}  // namespace tocsin::net
