#pragma once
// Percent-encoding for URLs. Pure; any thread.
#include <string>
#include <string_view>

namespace tocsin::http {

/// Fit for any one part of a URL, a path's or a query's: all but the unreserved characters (RFC 3986, 2.3)
/// are escaped.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// What a connection is made to: a URL's host, without the brackets of an IPv6 address.
[[nodiscard]] inline std::string address_of(std::string_view host) {
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  return std::string(bracketed ? host.substr(1, host.size() - 2) : host);
}

}  // namespace tocsin::http
