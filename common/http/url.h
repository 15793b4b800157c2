#pragma once
// Percent-encoding for URLs. Pure; any thread.
#include <string>
#include <string_view>

namespace tocsin::http {

/// Fit for any one part of a URL, a path's or a query's: all but the unreserved characters (RFC 3986, 2.3)
/// are escaped.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace tocsin::http
