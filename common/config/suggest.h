#pragma once
// "Did you mean": the nearest of the known words, for messages to people. Pure.
#include <span>
#include <string>
#include <string_view>

namespace tocsin::config {

/// "; did you mean x?" with the nearest of `known` to `word`, or "" when nothing is near enough to be a slip.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace tocsin::config
