#pragma once
// Which edges give how many clients to which, so that each has its share. Pure.
#include <cstdint>
#include <string>
#include <vector>

#include "ops/supervisor/moves/port.h"

namespace tocsin::ops {

struct Shift {
  std::string from;
  std::string to;
  std::uint64_t count;
};

struct Balance {
  std::uint64_t spread = 0;  ///< clients that some edges have beyond their share
  bool good = true;          ///< each edge is within 10 % of its share, or as near as whole clients allow
  std::vector<Shift>
      shifts;  ///< the next step: every edge in at most one, so that none gives or gets too much
};

inline constexpr std::uint64_t kShiftMax = 1'000;  ///< clients an edge gives in one step

/// Of edges that take clients; the share of an edge is by its weight.
[[nodiscard]] Balance balance(const std::vector<EdgeView>& edges, std::uint64_t step = kShiftMax);

}  // namespace tocsin::ops
