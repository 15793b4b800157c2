#pragma once
// What the broker says of itself under /health, /health/live and /health/ready. Pure, but for a look at the
// room of the log's disk when details are asked for. Thread: the loop.
#include <cstdint>
#include <string>
#include <string_view>

#include "broker/core.h"
#include "broker/metrics.h"
#include "common/http/message.h"

namespace tocsin::broker {

/// What is looked at. Borrows.
struct Vitals {
  const Core& core;
  const Metrics& metrics;
  const std::string& data_dir;
  std::string_view cluster;
  Millis uptime{0};
  std::int64_t wall_ms = 0;
};

[[nodiscard]] constexpr bool is_health(std::string_view path) noexcept {
  return path == "/health" || path == "/health/live" || path == "/health/ready";
}
/// The answer to a request for one of these; `query` as it stands after '?'. As common/health/checks.h says,
/// and "code" while updates are not taken: disk_full, io, corrupt, stopping.
[[nodiscard]] http::Response health_answer(std::string_view path, std::string_view query, const Vitals& now);

}  // namespace tocsin::broker
