#pragma once
// Report: what a fleet found, as JSON, one line each. Pure.
#include <memory>
#include <string>
#include <vector>

#include "tools/loadgen/roam/announcer.h"
#include "tools/loadgen/roam/roamer.h"
#include "tools/loadgen/roam/tally.h"

namespace tocsin::loadgen::roam {

using Roamers = std::vector<std::unique_ptr<Roamer>>;

struct Outcome {
  bool complete = false;   ///< everything acknowledged arrived everywhere in time
  std::uint64_t lost = 0;  ///< acknowledged updates that a client did not get, over all clients
};

/// Nothing lost, nothing twice for an application, no frame out of place.
[[nodiscard]] bool holds(const Outcome& outcome, const Tally& tally, const Roamers& roamers);
[[nodiscard]] std::string report_json(const Outcome& outcome, const Tally& tally, const Roamers& roamers,
                                      const Announcer& announcer);
/// Where things stand now: clients by edge, and the counts of the phase.
[[nodiscard]] std::string status_json(const Tally& tally, const Roamers& roamers, const Announcer& announcer);

}  // namespace tocsin::loadgen::roam
