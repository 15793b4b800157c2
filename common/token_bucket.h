#pragma once
// TokenBucket: how much of an allowance is used up. It keeps the debt and not the tokens, so that a zeroed
// one is full, and what is at rest can be forgotten. Rate and size are told with each question: settings may
// change, and there is one for each client. 8 bytes. Thread: its owner's.
#include <algorithm>
#include <cstdint>

#include "common/clock.h"

namespace tocsin {

/// `per_second` paid back, up to `burst` owed. A rate of 0 permits everything.
struct Allowance {
  double per_second = 0;
  double burst = 0;
};

class TokenBucket {
 public:
  /// Whether `n` may be taken now. One that is larger than the burst may be taken when nothing is owed.
  [[nodiscard]] bool has(Instant now, const Allowance& allowance, double n = 1) {
    if (allowance.per_second <= 0) return true;
    pay_back(now, allowance);
    return debt_ <= 0 || static_cast<double>(debt_) + n <= allowance.burst;
  }
  /// Takes them, whatever has() says.
  void take(Instant now, const Allowance& allowance, double n = 1) {
    if (allowance.per_second <= 0) return;
    pay_back(now, allowance);
    debt_ += static_cast<float>(n);
  }
  /// Nothing is owed.
  [[nodiscard]] bool at_rest(Instant now, const Allowance& allowance) {
    pay_back(now, allowance);
    return debt_ <= 0;
  }
  /// Seconds until `n` may be taken.
  [[nodiscard]] double wait_s(const Allowance& allowance, double n = 1) const {
    if (allowance.per_second <= 0) return 0;
    return std::max(0.0,
                    (static_cast<double>(debt_) + n - std::max(allowance.burst, n)) / allowance.per_second);
  }

 private:
  /// Milliseconds modulo 2^32: one that was asked 50 days ago is at rest, or a little behind it.
  void pay_back(Instant now, const Allowance& allowance) {
    const auto ms = static_cast<std::uint32_t>(now.time_since_epoch().count());
    const std::uint32_t passed = ms - paid_;
    paid_ = ms;
    debt_ = std::max(0.0F, debt_ - static_cast<float>(passed * allowance.per_second / 1'000.0));
  }

  float debt_ = 0;
  std::uint32_t paid_ = 0;
};

}  // namespace tocsin
