#include "edge/net/admission.h"

#include <algorithm>
#include <cmath>

namespace tocsin::edge {
namespace {

constexpr std::int64_t kLongestWait = 30;  // seconds; who waits longer had better try another edge
constexpr double kWithoutRate =
    1'000;  // refusals a second that are assumed to find room, when nothing limits the rate

}  // namespace

Admission::Admission(const Clock& clock, std::int64_t per_second)
    : clock_(clock),
      rate_(static_cast<double>(per_second)),
      filled_(clock.steady()),
      serve_(rate_),
      refuse_(rate_) {}

void Admission::refill() {
  const Instant now = clock_.steady();
  const double seconds = std::chrono::duration<double>(now - filled_).count();
  filled_ = now;
  serve_ = std::min(rate_, serve_ + seconds * rate_);
  refuse_ = std::min(rate_, refuse_ + seconds * rate_);
  debt_ = std::max(0.0, debt_ - seconds * (rate_ > 0 ? rate_ : kWithoutRate));
}

bool Admission::open() {
  if (rate_ <= 0) return true;
  refill();
  return serve_ >= 1 || refuse_ >= 1;
}

Admission::Verdict Admission::arrived() {
  if (rate_ <= 0) return Verdict::serve;
  refill();
  if (serve_ >= 1) {
    serve_ -= 1;
    return Verdict::serve;
  }
  refuse_ = std::max(0.0, refuse_ - 1);
  return Verdict::refuse;
}

std::int64_t Admission::retry_after() {
  refill();
  debt_ += 1;
  return std::clamp<std::int64_t>(
      static_cast<std::int64_t>(std::ceil(debt_ / (rate_ > 0 ? rate_ : kWithoutRate))), 1, kLongestWait);
}

}  // namespace tocsin::edge
