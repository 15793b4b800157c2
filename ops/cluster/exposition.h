#pragma once
// Exposition: the numbers of a /metrics page of ours. Series of one name are added up under it; one with
// labels is also there by itself, written as on the page: a_total{outcome="failed"}. Values; any thread.
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace tocsin::ops {

using Numbers = std::map<std::string, double, std::less<>>;

/// Lines that are none are skipped. At most a few thousand names are kept.
[[nodiscard]] Numbers parse_exposition(std::string_view text);
/// Where the share `q` of what a histogram without labels counted between two pages ends, as Prometheus'
/// histogram_quantile reckons: evenly within a bucket; the last bound, when it is beyond. None: nothing was
/// counted, or there is no such histogram.
[[nodiscard]] std::optional<double> quantile(const Numbers& now, const Numbers& before, std::string_view name,
                                             double q);

}  // namespace tocsin::ops
