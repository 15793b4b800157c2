#pragma once
// MoveReport: what became of a drain or a migration, as it runs and after. Values; thread: the loop.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "edge/drain/order.h"

namespace tocsin::edge {

enum class MoveState : std::uint8_t { running, paused, settling, done, aborted, deadline };
[[nodiscard]] std::string_view name_of(MoveState state) noexcept;
[[nodiscard]] constexpr bool over(MoveState state) noexcept { return state >= MoveState::done; }

/// Times without delivery: most are zero, so only the others are kept.
class Blackouts {
 public:
  void add(Millis time);
  /// Nearest rank; 0 when there are none.
  [[nodiscard]] std::int64_t percentile(unsigned percent) const;
  [[nodiscard]] std::int64_t longest() const;

 private:
  std::size_t zeros_ = 0;
  mutable std::vector<std::uint32_t> times_;  ///< ms
  mutable bool sorted_ = true;
};

struct MoveReport {
  std::string id;
  MoveKind kind = MoveKind::drain;
  std::string edge;
  MoveState state = MoveState::running;
  std::int64_t started_ms = 0;  ///< wall clock
  Millis planned_time{0};       ///< how long it was thought to take
  Millis elapsed{0};
  std::size_t planned = 0;
  std::size_t offered = 0;
  std::size_t migrated = 0;                                 ///< seen claimed elsewhere
  std::size_t resumed = 0, resumed_snapshot = 0, lost = 0;  ///< of those, what the other edges said
  std::size_t closed = 0;                                   ///< sockets ended with 1012
  std::size_t left = 0;                                     ///< clients that went by themselves
  std::size_t returned = 0;  ///< came back to this edge instead of going elsewhere
  std::size_t remaining = 0;
  std::uint64_t duplicates = 0;  ///< updates that clients had twice, and dropped
  Blackouts blackouts;
  std::size_t peak_per_s = 0;  ///< most clients seen elsewhere in one second
  double rate = 0;
  std::map<std::string, std::size_t> targets;  ///< edge -> clients that were sent there and came
  std::string paused;                          ///< why it does not go on
};

/// The report as one JSON object.
[[nodiscard]] std::string report_json(const MoveReport& report);

}  // namespace tocsin::edge
