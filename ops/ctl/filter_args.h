#pragma once
// Filters, positions and times as they are written on a command line. Pure functions.
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "proto/filter.h"
#include "proto/update.h"

namespace tocsin::ops {

/// "severity=P0,P1", "labels.service=api,db", "active=true"; given several times they add up. Fails with
/// invalid_argument that names the word and lists what may stand before the '='.
[[nodiscard]] Result<Filter> parse_filter_words(const std::vector<std::string>& words);

/// "<epoch>:<offset>", as SSE ids and `tail --json` print it. Fails with invalid_argument.
[[nodiscard]] Result<Position> parse_position(std::string_view text);
[[nodiscard]] std::string position_text(const Position& position);

/// "90", "90s", "5m", "2h", "250ms". Fails with invalid_argument.
[[nodiscard]] Result<Millis> parse_duration(std::string_view text);

/// "max" (0), "3600x" or "3600". Fails with invalid_argument.
[[nodiscard]] Result<double> parse_speed(std::string_view text);

}  // namespace tocsin::ops
