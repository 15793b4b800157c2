#include "ops/cluster/exposition.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace tocsin::ops {

std::map<std::string, double, std::less<>> parse_exposition(std::string_view text) {
  constexpr std::size_t kMaxNames = 4'096;
  std::map<std::string, double, std::less<>> out;
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
  }
  return out;
}

}  // namespace tocsin::ops
