#include "ops/supervisor/restart_policy.h"

#include <algorithm>

#include "common/exit_code.h"

namespace tocsin::ops {

void RestartPolicy::on_started(Instant) noexcept { state_ = State::starting; }

void RestartPolicy::on_ready(Instant now) noexcept {
  state_ = State::running;
  was_ready_ = true;
  ready_since_ = now;
}

std::optional<Millis> RestartPolicy::on_ended(Instant now, std::optional<int> exit_code) {
  const bool stable = state_ == State::running && now - ready_since_ >= limits_.stable;
  if (stable) failures_in_a_row_ = 0;
  ++failures_in_a_row_;
  const bool no_use = exit_code == kExitUsage || exit_code == kExitCannotStart;
  if (!was_ready_ && (no_use || failures_in_a_row_ >= limits_.start_attempts)) {
    state_ = State::hopeless;
    return std::nullopt;
  }
  state_ = State::waiting;
  ++restarts_;
  if (failures_in_a_row_ == 1) return Millis{0};
  const std::uint32_t doublings = std::min<std::uint32_t>(failures_in_a_row_ - 2, 20);
  return std::min(limits_.max_delay, limits_.first_delay * (std::int64_t{1} << doublings));
}

}  // namespace tocsin::ops
