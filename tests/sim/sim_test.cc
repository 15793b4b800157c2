#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/log/log.h"
#include "tests/sim/cluster.h"

namespace tocsin::sim {
namespace {

/// The first of `seeds` seeds whose run shows the fault, or 0.
std::uint64_t caught_after(Fault fault, std::uint64_t seeds, std::string& how) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Outcome outcome = simulate(seed, fault, nullptr);
    if (outcome.holds()) continue;
    how = outcome.complaint.empty() ? to_text(outcome.verdict) : outcome.complaint;
    return seed;
  }
  return 0;
}

TEST_SUITE("simulation") {
  TEST_CASE("a seed is one run: the same events, whatever ran before and beside it") {
    REQUIRE(log::configure({.component = "sim", .level = log::Level::off, .file = {}}));
    constexpr std::uint64_t kSeeds = 40;
    std::vector<Outcome> alone;
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed)
      alone.push_back(simulate(seed, Fault::none, nullptr));
    const auto again = [&alone](bool backwards) {
      std::vector<std::unique_ptr<char[]>> clutter;  // moves what is allocated to other addresses
      for (std::uint64_t i = 0; i < kSeeds; ++i) {
        const std::uint64_t seed = backwards ? kSeeds - i : i + 1;
        clutter.push_back(std::make_unique<char[]>(17 * (i + 1)));
        const Outcome outcome = simulate(seed, Fault::none, nullptr);
        if (outcome.trace != alone[seed - 1].trace || outcome.events != alone[seed - 1].events) return seed;
      }
      return std::uint64_t{0};
    };
    std::uint64_t differs[2] = {1, 1};
    std::thread beside([&] { differs[0] = again(true); });
    differs[1] = again(false);
    beside.join();
    CHECK(differs[0] == 0);
    CHECK(differs[1] == 0);
  }

  TEST_CASE("every seeded bug is caught within 60 seeds") {
    REQUIRE(log::configure({.component = "sim", .level = log::Level::off, .file = {}}));
    for (const auto& [name, fault] : kFaults) {
      if (fault == Fault::none) continue;
      CAPTURE(name);
      std::string how;
      const std::uint64_t seed = caught_after(fault, 60, how);
      MESSAGE(std::string(name) << " is caught by seed " << seed << ": "
                                << how.substr(0, how.find('\n', how.find("  ["))));
      CHECK(seed > 0);
    }
  }
}

}  // namespace
}  // namespace tocsin::sim
