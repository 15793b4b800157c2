#pragma once
// Exposition: the numbers of a /metrics page of ours, by name; series of one name are added up. Values; any
// thread.
#include <map>
#include <string>
#include <string_view>

namespace tocsin::ops {

/// Lines that are none are skipped. At most a few thousand names are kept.
[[nodiscard]] std::map<std::string, double, std::less<>> parse_exposition(std::string_view text);

}  // namespace tocsin::ops
