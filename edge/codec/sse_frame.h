#pragma once
// Server-Sent Events (WHATWG HTML, section 9.2): one event a message, `id:` is epoch:offset. Pure functions,
// any thread.
#include <string>
#include <string_view>

#include "proto/update.h"

namespace tocsin::edge::sse {

inline constexpr std::string_view kComment = ": keep-alive\n\n";

/// Appends one event. `data` holds no line break (JSON does not). A default position writes no `id:`, so that
/// a client which reconnects asks from the position before.
void append_event(std::string& out, Position id, std::string_view data);
/// Appends `retry:`, the delay before a client reconnects.
void append_retry(std::string& out, std::uint32_t ms);

/// Parses a Last-Event-ID. Fails with invalid_argument unless it is epoch:offset.
[[nodiscard]] Result<Position> parse_id(std::string_view text);

}  // namespace tocsin::edge::sse
