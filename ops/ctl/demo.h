#pragma once
// DemoScript: a believable stream of incidents over services and teams. They open, are acknowledged and
// assigned, get comments, sometimes escalate, are resolved, a few reopen, then are closed. The same seed
// tells the same story. No clock, no socket: next() gives the next draft and how long to wait for the one
// after it. One thread.
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "common/clock.h"
#include "proto/update.h"

namespace tocsin::ops {

class DemoScript {
 public:
  /// `run` tells apart the incidents of two runs; `rate` is updates per second on average.
  DemoScript(std::uint64_t seed, std::string run, std::string channel, double rate);

  struct Step {
    Draft draft;
    Millis wait{};  ///< before the next one; exponentially distributed
  };
  [[nodiscard]] Step next(std::int64_t wall_ms);
  [[nodiscard]] std::size_t open_incidents() const noexcept { return open_.size(); }

 private:
  enum class Phase : std::uint8_t { detected, acknowledged, investigating, identified, monitoring, resolved };
  struct Open {
    std::uint64_t number;
    std::size_t service;
    int severity;
    Phase phase;
    bool reopened;
  };
  [[nodiscard]] std::size_t pick(std::size_t count);
  [[nodiscard]] bool chance(double probability);
  [[nodiscard]] Draft opened();
  [[nodiscard]] Draft moved(std::size_t index);
  [[nodiscard]] Draft change(const Open& incident, std::string_view kind, std::string members);

  std::mt19937_64 random_;
  std::string run_;
  std::string channel_;
  double rate_;
  std::uint64_t next_number_ = 1;
  std::uint64_t next_event_ = 1;
  std::vector<Open> open_;
};

}  // namespace tocsin::ops
