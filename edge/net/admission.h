#pragma once
// Admission: how many new connections are served, refused with an honest answer, or left waiting in the
// system's queue. Two token buckets of one second's worth each: one for those served, one for those told 503.
// When both are empty nothing is accepted until they fill again, so a storm costs a bounded share of the loop
// whatever its size.
//
// Invariant: those refused are told to come back when the bucket will have room for them, in the order of
// their refusals: each adds to a debt that is paid off at the rate. Thread: the loop.
#include <cstdint>

#include "common/clock.h"

namespace tocsin::edge {

class Admission {
 public:
  enum class Verdict : std::uint8_t { serve, refuse };

  /// `per_second` 0: everybody is served.
  Admission(const Clock& clock, std::int64_t per_second);

  /// Whether a connection may be taken out of the system's queue now.
  [[nodiscard]] bool open();
  /// One was taken.
  Verdict arrived();
  /// One was refused, for this or another reason: when it should come back, in seconds.
  [[nodiscard]] std::int64_t retry_after();

 private:
  void refill();

  const Clock& clock_;
  const double rate_;
  Instant filled_;
  double serve_;
  double refuse_;
  double debt_ = 0;
};

}  // namespace tocsin::edge
