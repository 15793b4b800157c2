#include "ops/supervisor/restart_policy.h"

#include <doctest/doctest.h>

#include <vector>

namespace tocsin::ops {
namespace {

constexpr RestartPolicy::Limits kLimits{
    .first_delay = Millis{100}, .max_delay = Millis{1000}, .stable = Millis{5000}, .start_attempts = 3};
constexpr Instant kStart{Millis{0}};
constexpr int kGivenUp = -1;

/// One life of a process: how long until ready (kNever: it never was) and until it ended, and what is
/// expected then.
constexpr int kNever = -1;
struct Life {
  int ready_after_ms;
  int lived_ms;
  std::optional<int> exit_code;
  int expect_delay_ms;
};

std::vector<int> delays(const std::vector<Life>& lives) {
  RestartPolicy policy(kLimits);
  Instant now = kStart;
  std::vector<int> out;
  for (const Life& life : lives) {
    policy.on_started(now);
    if (life.ready_after_ms != kNever) policy.on_ready(now + Millis{life.ready_after_ms});
    now += Millis{life.lived_ms};
    const auto delay = policy.on_ended(now, life.exit_code);
    out.push_back(delay ? static_cast<int>(delay->count()) : kGivenUp);
    if (delay) now += *delay;
  }
  return out;
}

TEST_SUITE("RestartPolicy") {
  TEST_CASE("at once, then ever slower, at once again after a stable run") {
    struct Row {
      const char* name;
      std::vector<Life> lives;
    };
    const Row rows[] = {
        {"killed once", {{10, 60'000, {}, 0}}},
        {"killed again and again",
         {{10, 60'000, {}, 0},
          {10, 50, {}, 100},
          {10, 50, {}, 200},
          {10, 50, {}, 400},
          {10, 50, {}, 800},
          {10, 50, {}, 1000},
          {10, 50, {}, 1000}}},
        {"a stable run forgives", {{10, 50, {}, 0}, {10, 50, {}, 100}, {10, 6000, {}, 0}, {10, 50, {}, 100}}},
        {"was ready once: never given up",
         {{10, 50, {}, 0},
          {kNever, 5, 3, 100},
          {kNever, 5, 3, 200},
          {kNever, 5, 3, 400},
          {kNever, 5, 3, 800}}},
        {"bad configuration at the start", {{kNever, 5, 2, kGivenUp}}},
        {"cannot start", {{kNever, 5, 3, kGivenUp}}},
        {"crashes at the start", {{kNever, 5, {}, 0}, {kNever, 5, 1, 100}, {kNever, 5, {}, kGivenUp}}},
    };
    for (const Row& row : rows) {
      CAPTURE(row.name);
      std::vector<int> expect;
      for (const Life& life : row.lives) expect.push_back(life.expect_delay_ms);
      CHECK(delays(row.lives) == expect);
    }
  }
  TEST_CASE("restarts are counted, the last end of a hopeless process is not one") {
    RestartPolicy policy(kLimits);
    for (int i = 0; i < 3; ++i) {
      policy.on_started(kStart);
      static_cast<void>(policy.on_ended(kStart, std::nullopt));
    }
    CHECK(policy.restarts() == 2);
    CHECK(policy.state() == RestartPolicy::State::hopeless);
  }
}

}  // namespace
}  // namespace tocsin::ops
