#pragma once
// Retry: when to ask an API server again that did not answer as hoped: soon at first, later each time, never
// in step with others. Pure. Any thread.
#include <algorithm>
#include <cstdint>

#include "common/clock.h"
#include "common/random.h"

namespace tocsin::ops::k8s {

class Retry {
 public:
  static constexpr Millis kFirst{250};
  static constexpr Millis kMost{10'000};

  explicit Retry(Random& random) : random_(random) {}

  [[nodiscard]] bool due(Instant now) const { return now >= next_; }
  void failed(Instant now) {
    // Between three quarters and all of the delay.
    const auto most = static_cast<std::uint64_t>(delay_.count());
    next_ = now + Millis{static_cast<std::int64_t>(most - random_.u64() % (most / 4 + 1))};
    delay_ = std::min(delay_ * 2, kMost);
    ++failures_;
  }
  void succeeded() {
    delay_ = kFirst;
    next_ = {};
    failures_ = 0;
  }
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }

 private:
  Random& random_;
  Millis delay_ = kFirst;
  Instant next_{};
  std::uint64_t failures_ = 0;
};

}  // namespace tocsin::ops::k8s
