#pragma once
// World: virtual time, one queue of events and one source of chance for everything in a simulated cluster.
// The same seed gives the same run, event by event; `trace()` is its fingerprint.
//
// Invariant: events run in order of time, then of scheduling; time never goes back. Thread: one.
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string_view>
#include <vector>

#include "common/clock.h"

namespace tocsin::sim {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// A number in low..high.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + next() % (high - low + 1); }
  /// True in `percent` of the calls.
  bool percent(std::uint64_t percent) { return next() % 100 < percent; }

 private:
  std::uint64_t state_;
};

/// Held by a process; events scheduled for it run only while it lives.
using Life = std::shared_ptr<const bool>;
[[nodiscard]] inline Life new_life() { return std::make_shared<const bool>(true); }

class World final : public Clock {
 public:
  using Event = std::function<void()>;

  explicit World(std::uint64_t seed) : chance(seed) {}

  [[nodiscard]] Instant steady() const override { return Instant(Millis(now_)); }
  [[nodiscard]] std::int64_t wall_ms() const override { return kStart + now_; }
  [[nodiscard]] std::int64_t now() const noexcept { return now_; }

  void after(std::int64_t ms, Event event);
  void after(std::int64_t ms, const Life& life, Event event);
  /// Runs events up to and including virtual millisecond `until`.
  void run(std::int64_t until);

  /// Mixes `what` and the time into the fingerprint.
  void note(std::string_view what);
  [[nodiscard]] std::uint64_t trace() const noexcept { return trace_; }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }

  Chance chance;

 private:
  static constexpr std::int64_t kStart = 1'760'000'000'000;
  struct Entry {
    std::int64_t at;
    std::uint64_t number;
    Event event;
    bool operator<(const Entry& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };
  std::priority_queue<Entry> queue_;
  std::int64_t now_ = 10'000;
  std::uint64_t number_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t trace_ = 0xCBF29CE484222325ULL;
};

}  // namespace tocsin::sim
