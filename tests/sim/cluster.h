#pragma once
// simulate(): one whole run. A seed decides the cluster's shape and settings, what is published, and what
// goes wrong when; then everything is healed, and the run must become quiet with every client at the head.
// The checker judges the history.
//
// Thread: one; runs share nothing, so several threads may each simulate.
#include <cstdint>
#include <ostream>

#include "tests/checker/verdict.h"
#include "tests/sim/fault.h"

namespace tocsin::sim {

struct Outcome {
  checker::Verdict verdict;
  std::uint64_t trace = 0;  ///< fingerprint: equal for equal runs
  std::uint64_t events = 0;
  std::int64_t virtual_ms = 0;
  bool quiet = false;     ///< publishers done, moves over and clients subscribed before time was up
  std::string complaint;  ///< about drains and migrations; empty: none

  [[nodiscard]] bool good() const { return quiet && holds(); }
  [[nodiscard]] bool holds() const { return verdict.holds() && complaint.empty(); }
};

/// `text` (may be null) gets the history.
[[nodiscard]] Outcome simulate(std::uint64_t seed, Fault fault, std::ostream* text);

}  // namespace tocsin::sim
