#pragma once
// RestartPolicy: when a process that ended is started again. No clock, no process: it is told what happened
// and answers with the time of the next start.
//
//            on_started          on_ready
//   waiting ------------> starting --------> running      A process that was ready for `stable` gets its
//   first restart
//      ^                     |                  |          at once again; before that each restart waits
//      twice as long
//      |_____ on_ended ______|___ on_ended _____|          as the one before. One that ends `start_attempts`
//      times without
//                            |                             ever having been ready, or by an exit code that
//                            says a v                             restart is of no use, is hopeless.
//                        hopeless
//
// Thread: the supervisor's loop.
#include <cstdint>
#include <optional>

#include "common/clock.h"

namespace tocsin::ops {

class RestartPolicy {
 public:
  struct Limits {
    Millis first_delay{100};  ///< of the second restart; the first comes at once
    Millis max_delay{10'000};
    Millis stable{10'000};
    std::uint32_t start_attempts = 3;
  };
  enum class State : std::uint8_t { waiting, starting, running, hopeless };

  explicit RestartPolicy(Limits limits) : limits_(limits) {}

  void on_started(Instant now) noexcept;
  void on_ready(Instant now) noexcept;
  /// `exit_code` is empty when a signal ended it or it is not known. Returns how long to wait with the next
  /// start; nothing when it is hopeless. A process that has once been ready is never given up.
  [[nodiscard]] std::optional<Millis> on_ended(Instant now, std::optional<int> exit_code);

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::uint32_t restarts() const noexcept { return restarts_; }
  [[nodiscard]] bool was_ready() const noexcept { return was_ready_; }

 private:
  Limits limits_;
  State state_ = State::waiting;
  bool was_ready_ = false;
  std::uint32_t restarts_ = 0;
  std::uint32_t failures_in_a_row_ = 0;
  Instant ready_since_{};
};

}  // namespace tocsin::ops
