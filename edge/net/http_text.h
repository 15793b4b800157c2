#pragma once
// The text of HTTP/1.1 responses, and request targets put back into their percent-encoded form: the library
// below hands them out decoded, and joining decoded arguments would lose what separates them. Pure; any
// thread.
#include <string>
#include <string_view>

#include "edge/http_api/http_api.h"

namespace tocsin::edge {

enum class KeepAlive : std::uint8_t { no, yes };
enum class Body : std::uint8_t { send, omit };  ///< omit: the answer to HEAD, or 204

/// Head and body of a response, with date-free headers: status line, content-type, content-length, the
/// reply's own, CORS (pages of `allow_origin` may read it; empty: none but our own), and what keeps browsers
/// from making more of it than it is, where the reply does not say it itself. `hsts`:
/// Strict-Transport-Security; empty: none.
[[nodiscard]] std::string response_text(const HttpReply& reply, KeepAlive keep_alive, Body body,
                                        std::string_view hsts = {}, std::string_view allow_origin = "*");
/// Head of an event stream. Its end is the end of the connection.
[[nodiscard]] std::string event_stream_head(std::string_view hsts = {}, std::string_view allow_origin = "*");
/// The answer to OPTIONS: what a browser asks before a cross-origin POST.
[[nodiscard]] std::string preflight_text(KeepAlive keep_alive, std::string_view allow_origin = "*");
[[nodiscard]] std::string_view status_text(unsigned status) noexcept;

/// Percent-encodes all but unreserved characters and those in `keep`.
void append_encoded(std::string& out, std::string_view decoded, std::string_view keep);
/// One decoded argument `name=value` appended to a query string.
void append_argument(std::string& query, std::string_view decoded);
/// `Bearer x` -> x; anything else -> empty.
[[nodiscard]] std::string_view bearer_token(std::string_view authorization) noexcept;

}  // namespace tocsin::edge
