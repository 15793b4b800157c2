#pragma once
// What takes long, among the performance lines: a turn of the loop, a commit, a pass over the sockets. Of
// each kind one line at once and then one in ten seconds at most, with how many there were and the worst: who
// is slow has no time to write about it. Any thread; costs one load while nothing is slow.
//
//   log::slow("slow_commit", "a commit took long", took_ms, {"updates", count});
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/clock.h"
#include "common/log/line.h"

namespace tocsin::log {

/// Nothing below log.slow_ms; `kind` is the line's event_type, a constant.
void slow(std::string_view kind, std::string_view message, std::int64_t took_ms, const Field& about);

/// How late the ticks of a timer are: what held the loop up. Thread: the loop.
class LoopLag {
 public:
  explicit LoopLag(Millis period) : period_(period) {}
  /// To be called by each tick.
  void tick(Instant now);

 private:
  const Millis period_;
  std::optional<Instant> last_;
};

/// Decides which of them is told. Thread: one at a time.
class SlowBook {
 public:
  static constexpr std::int64_t kEveryMs = 10'000;
  struct Told {
    std::uint64_t times = 1;  ///< since the last one that was told, this one too
    std::int64_t worst_ms = 0;
  };
  /// Nothing: it is counted, and told with the next.
  [[nodiscard]] std::optional<Told> saw(std::string_view kind, std::int64_t now_ms, std::int64_t took_ms);

 private:
  struct Kind {
    std::string_view name;
    std::int64_t next_ms = 0;
    Told since{0, 0};
  };
  std::array<Kind, 8> kinds_{};  ///< more share the last
};

}  // namespace tocsin::log
