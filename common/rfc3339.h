#pragma once
// RFC 3339 time stamps in UTC, as they stand in incidents and frames. Pure functions.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin {

/// Milliseconds since 1970 -> "2026-01-02T03:04:05.678Z".
[[nodiscard]] std::string rfc3339(std::int64_t wall_ms);
/// The reverse; takes any offset and fraction. nullopt for anything that is not a date-time of RFC 3339.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text);

}  // namespace tocsin
