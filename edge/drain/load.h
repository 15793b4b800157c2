#pragma once
// LoadMeter: what an edge says of itself each second, for those that would send it clients: how much of what
// it can do is in use, by the scarcest of its means, and how many handshakes it takes. Pure; any thread.
#include <cstdint>

#include "common/clock.h"

namespace tocsin::edge {

class LoadMeter {
 public:
  /// Running totals, and what is so now.
  struct Sample {
    Instant at{};
    std::int64_t cpu_us = 0;      ///< of the loop's thread
    std::int64_t handshakes = 0;  ///< connections accepted
    std::int64_t joining = 0;     ///< subscriptions in a replay or snapshot
    std::int64_t clients = 0;
  };
  struct Limits {
    std::int64_t handshakes_per_s = 0;  ///< 0: none
    std::int64_t clients_max = 0;
  };
  static constexpr std::int64_t kJoiningBound = 2'000;
  static constexpr Millis kPeriod{1'000};

  explicit LoadMeter(Limits limits) : limits_(limits) {}

  /// True once a second: the figures below are new.
  bool sample(const Sample& now);

  [[nodiscard]] std::uint32_t load() const noexcept { return load_; }  ///< permille
  /// Of one processor, by the loop's thread.
  [[nodiscard]] std::uint32_t cpu_permille() const noexcept { return cpu_permille_; }
  [[nodiscard]] std::uint32_t take_per_s() const noexcept { return take_per_s_; }
  [[nodiscard]] std::uint32_t handshakes_per_s() const noexcept { return handshakes_per_s_; }

 private:
  Limits limits_;
  Sample last_;
  std::uint32_t load_ = 0;
  std::uint32_t cpu_permille_ = 0;
  std::uint32_t take_per_s_ = 0;
  std::uint32_t handshakes_per_s_ = 0;
};

}  // namespace tocsin::edge
