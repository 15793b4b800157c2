#include "ops/cluster/exposition.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tocsin::ops {

Numbers parse_exposition(std::string_view text) {
  constexpr std::size_t kMaxNames = 4'096;
  Numbers out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto name_end = line.find_first_of("{ ");
    if (line.empty() || line.front() == '#' || name_end == std::string_view::npos || name_end == 0) continue;
    auto value_at = name_end;
    if (line[name_end] == '{') value_at = line.rfind('}') + 1;  // npos + 1 is 0: no value is read there
    if (value_at == 0 || value_at >= line.size()) continue;
    const std::string number(line.substr(value_at));
    char* stopped = nullptr;
    const double value = std::strtod(number.c_str(), &stopped);
    if (stopped == number.c_str() || !std::isfinite(value)) continue;
    const std::string_view name = line.substr(0, name_end);
    const auto found = out.find(name);
    if (found != out.end())
      found->second += value;
    else if (out.size() < kMaxNames)
      out.emplace(name, value);
    if (line[name_end] == '{' && out.size() < kMaxNames) out.emplace(line.substr(0, value_at), value);
  }
  return out;
}

std::optional<double> quantile(const Numbers& now, const Numbers& before, std::string_view name, double q) {
  const std::string prefix = std::string(name) + "_bucket{le=\"";
  std::map<double, double> counted;  // by bound; strtod reads +Inf too
  for (auto at = now.lower_bound(prefix); at != now.end() && at->first.starts_with(prefix); ++at) {
    const auto then = before.find(at->first);
    counted[std::strtod(at->first.c_str() + prefix.size(), nullptr)] =
        at->second - (then == before.end() ? 0 : then->second);
  }
  if (counted.empty() || !(counted.rbegin()->second > 0)) return std::nullopt;
  const double wanted = q * counted.rbegin()->second;
  double bound = 0, below = 0;
  for (const auto& [end, count] : counted) {
    if (std::isinf(end)) break;
    if (count >= wanted) return bound + (end - bound) * (wanted - below) / (count - below);
    bound = end;
    below = count;
  }
  return bound;
}

}  // namespace tocsin::ops
