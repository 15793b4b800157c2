#include <doctest/doctest.h>

#include <string>

#include "common/log/log.h"
#include "tests/sim/cluster.h"

namespace tocsin::sim {
namespace {

/// The first of `seeds` seeds whose run shows the fault, or 0.
std::uint64_t caught_after(Fault fault, std::uint64_t seeds, std::string& how) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Outcome outcome = simulate(seed, fault, nullptr);
    if (outcome.verdict.holds()) continue;
    how = to_text(outcome.verdict);
    return seed;
  }
  return 0;
}

TEST_SUITE("simulation") {
  TEST_CASE("every seeded bug is caught within 60 seeds") {
    REQUIRE(log::configure({.component = "sim", .level = log::Level::off, .file = {}}));
    for (const auto& [name, fault] : kFaults) {
      if (fault == Fault::none) continue;
      CAPTURE(name);
      std::string how;
      const std::uint64_t seed = caught_after(fault, 60, how);
      MESSAGE(std::string(name) << " is caught by seed " << seed << ": " << how.substr(0, how.find('\n', how.find("  ["))));
      CHECK(seed > 0);
    }
  }
}

}  // namespace
}  // namespace tocsin::sim
