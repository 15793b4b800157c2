// The doctor's comparison of clocks: this host's, the broker's, the edges'.
#include <algorithm>
#include <cstdlib>

#include "ops/ctl/doctor.h"

namespace tocsin::ops {
namespace {

/// Less is what NTP leaves on a bad day, and what a busy process adds to the way back.
constexpr std::int64_t kMuchMs = 300;
constexpr const char* kTodo =
    "let NTP keep the clock (timedatectl set-ntp true, or chrony): tokens, the ages of history and backups, and commit-to-edge times are judged by it";

std::string apart(std::int64_t ms) {
  const std::int64_t much = std::llabs(ms);
  return much < 10'000 ? std::to_string(much) + " ms" : std::to_string((much + 500) / 1'000) + " s";
}

std::string difference(const std::string& name, std::int64_t ms) {
  return "the clock of " + name + " is " + apart(ms) + (ms > 0 ? " ahead of" : " behind") + " this host's";
}

}  // namespace

void compare_clocks(Findings& out, const std::vector<ClockSeen>& clocks) {
  if (clocks.empty()) return;
  std::vector<const ClockSeen*> off;
  for (const ClockSeen& clock : clocks)
    if (std::llabs(clock.ahead_ms) > kMuchMs + clock.unsure_ms) off.push_back(&clock);
  const auto [least, most] = std::minmax_element(
      clocks.begin(), clocks.end(), [](const auto& a, const auto& b) { return a.ahead_ms < b.ahead_ms; });
  if (off.empty()) {
    const std::int64_t much = std::max(std::llabs(least->ahead_ms), std::llabs(most->ahead_ms));
    return out.ok("clocks", std::to_string(clocks.size()) + " processes and this host are within " +
                                std::to_string(much) + " ms of each other");
  }
  // When they agree among themselves, it is this host that is alone.
  if (clocks.size() > 1 && off.size() == clocks.size() &&
      most->ahead_ms - least->ahead_ms <= kMuchMs + most->unsure_ms + least->unsure_ms)
    return out.warn("clocks",
                    "this host's clock is " + apart(most->ahead_ms) +
                        (most->ahead_ms > 0 ? " behind" : " ahead of") +
                        " that of every process, which agree",
                    kTodo);
  for (const ClockSeen* clock : off) out.warn("clocks", difference(clock->name, clock->ahead_ms), kTodo);
}

}  // namespace tocsin::ops
