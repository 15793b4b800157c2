#pragma once
// TrafficMeter: what this edge did, as it is told to the broker: since its start, today, in this minute.
//
// Thread: the loop.
#include <array>
#include <cstddef>
#include <cstdint>

#include "edge/metrics.h"
#include "proto/link_message.h"

namespace tocsin::edge {

/// How long the newest hundred clients that went had been connected.
class Lifetimes {
 public:
  void add(std::int64_t ms) noexcept {
    sum_ += ms - lasted_[next_];
    lasted_[next_] = ms;
    next_ = (next_ + 1) % lasted_.size();
    if (count_ < lasted_.size()) ++count_;
  }
  [[nodiscard]] std::int64_t sum_ms() const noexcept { return sum_; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::array<std::int64_t, 100> lasted_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  std::int64_t sum_ = 0;
};

/// YYYYMMDD where this process runs.
[[nodiscard]] std::uint64_t local_day(std::int64_t wall_ms);

class TrafficMeter {
 public:
  explicit TrafficMeter(const Metrics& metrics) : metrics_(metrics) {}

  /// To be asked at least once in a second: a new day or minute begins with the asking. `day`: local_day().
  [[nodiscard]] link::Traffic read(std::int64_t wall_ms, std::uint64_t day, const Lifetimes& lifetimes);

 private:
  const Metrics& metrics_;
  std::uint64_t day_ = 0;
  std::uint64_t opened_before_ = 0;
  std::uint64_t minute_ = 0;
  std::uint64_t sent_before_ = 0;
};

}  // namespace tocsin::edge
