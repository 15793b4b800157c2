#pragma once
// Query strings and percent-decoding, shared by the SSE door and the HTTP API. Pure functions.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "proto/filter.h"

namespace tocsin::edge {

using Query = std::vector<std::pair<std::string, std::string>>;

/// Decodes %XX (and '+' as a space when `plus_is_space`). nullopt for a broken escape, a NUL or bytes that
/// are not UTF-8.
enum class Plus : bool { literal, space };
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, Plus plus);

/// Splits and decodes `a=1&b=2`. Fails with invalid_argument for broken escapes or more than 64 members.
[[nodiscard]] Result<Query> parse_query(std::string_view query);
/// The value of `name`, or nullptr. Of several the first.
[[nodiscard]] const std::string* find(const Query& query, std::string_view name) noexcept;

/// `true`, `1` and the empty value are true, `false` and `0` false; fails with invalid_argument naming the
/// member.
[[nodiscard]] Result<bool> flag_of(const Query& query, std::string_view name);
/// Fails with invalid_argument naming the member; `fallback` when absent.
[[nodiscard]] Result<std::uint64_t> number_of(const Query& query, std::string_view name,
                                              std::uint64_t fallback);
/// The filter that a query spells: severity=P0,P1&label.service=api&active=true. Members may be repeated.
[[nodiscard]] Result<Filter> filter_of(const Query& query);

}  // namespace tocsin::edge
