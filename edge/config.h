#pragma once
// Every setting of an edge. Adding a row here is the whole change: see common/config/option.h.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "common/config/option.h"

namespace tocsin::edge {

struct Config {
  std::string id = "edge-0";
  std::int64_t frame_max_bytes = 262'144;
};

inline constexpr auto kOptions = std::to_array({
    config::option<&Config::id>("edge.id", "Name of this edge in the cluster; unique and stable over restarts."),
    config::option<&Config::frame_max_bytes>("limits.frame_max_bytes", "Largest message a client may send.", {.min = 1'024, .max = 16'777'216}),
});

}  // namespace tocsin::edge
