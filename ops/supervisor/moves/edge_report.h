#pragma once
// EdgeReport: what an edge says of a drain or a migration that it runs or ran (GET /admin/report), and the
// sum of several. Values; any thread.
#include <cstdint>
#include <map>
#include <string>

#include "common/json/json.h"
#include "common/result.h"

namespace tocsin::ops {

struct EdgeReport {
  std::string id;
  std::string kind;  ///< drain | migrate
  std::string edge;
  std::string state;  ///< running | paused | settling | done | aborted | deadline
  std::string paused_reason;
  std::uint64_t started_ms = 0, planned_ms = 0, elapsed_ms = 0;
  std::uint64_t planned = 0, offered = 0, migrated = 0, resumed = 0, resumed_snapshot = 0, lost = 0;
  std::uint64_t closed = 0, left = 0, returned = 0, remaining = 0, duplicates_suppressed = 0;
  std::uint64_t blackout_p50 = 0, blackout_p99 = 0, blackout_max = 0;
  std::uint64_t peak_handshakes_per_s = 0, rate_per_s = 0;
  std::map<std::string, std::uint64_t> targets;  ///< clients sent to each

  [[nodiscard]] bool ended() const { return state == "done" || state == "aborted" || state == "deadline"; }
  /// Counts are added, times and blackouts are the worst of both: the blackout of the sum is not known
  /// better.
  void add(const EdgeReport& other);
  [[nodiscard]] std::string to_json() const;
  /// Members that are absent stay zero. Fails with invalid_argument when it is no report.
  [[nodiscard]] static Result<EdgeReport> parse(const json::Value& value);
};

}  // namespace tocsin::ops
