#pragma once
// Plan and Report: what a run does, and what it found. Plain data.
#include <cstdint>
#include <string>
#include <vector>

#include "tools/loadgen/connection.h"
#include "tools/loadgen/histogram.h"
#include "tools/loadgen/stream_check.h"
#include "tools/loadgen/workload.h"

namespace tocsin::loadgen {

struct Plan {
  std::vector<Target> targets;
  std::string dialect = "tocsin";
  WorkloadPlan work;
  std::uint32_t source_addresses = 1;  ///< 127.0.0.2 .. so that more than 28,000 connections fit
  std::uint32_t connect_burst = 200;   ///< connections under way at once
  bool tls = false;
  bool deflate = false;
  double publish_rate = 0;  ///< updates per second; 0 and not lockstep: somebody else publishes
  bool lockstep = false;    ///< the next burst when every client has the one before, in place of a rate
  std::uint32_t burst = 1;  ///< so many fall due at the same moment
  std::uint64_t publish_count = 0;  ///< stop publishing after so many; 0: no end
  std::uint64_t expect_updates =
      0;  ///< somebody else publishes: end when every client has seen so many; 0: run for `seconds`
  double seconds = 10;
  double warmup = 0;    ///< seconds of publishing that are not counted in the histograms
  bool revive = false;  ///< at the end stalled clients read again, and must get whole or be told that they
                        ///< were too slow
  bool storm = false;   ///< after the measurement all clients drop, miss updates, come back at once
  std::uint64_t storm_updates = 500;
  bool replays =
      false;  ///< a server without offsets sends what it kept to whoever comes: a storm waits for all of it
  std::vector<std::string> tokens;     ///< client i shows the i-th, and begins anew behind the last
  std::vector<std::string> refreshes;  ///< so are these said, by every second client
  double refresh_after = 0;            ///< seconds after the first publish
  double expires_at = 0;               ///< when `tokens` end, in seconds since 1970; 0: they do not
  bool gate = false;                   ///< say each phase on stdout and wait for a line on stdin
};

struct Report {
  Totals totals;
  Histogram delivery;
  Histogram acknowledged;
  std::uint32_t opened = 0;
  std::uint32_t failed = 0;
  std::uint32_t closed_early = 0;
  std::uint32_t deflating = 0;  ///< connections whose server agreed to compress
  std::uint32_t too_slow = 0;   ///< stalled clients that were closed with 4430
  std::uint32_t revived = 0;    ///< stalled clients that got whole again
  std::uint32_t expired = 0;    ///< clients without a refresh that were closed with 4401
  std::uint64_t late = 0;       ///< updates to them more than 1 s after their token's end
  std::uint64_t published = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes = 0;
  std::string tls;                   ///< version, empty when plain
  double connect_seconds = 0;        ///< first connect to last `subscribed`
  double delivery_seconds = 0;       ///< first to last update seen
  double storm_connect_seconds = 0;  ///< first reconnect to last `subscribed`
  double storm_seconds = 0;          ///< first reconnect to last missed update
  bool complete = false;             ///< what was expected came in time

  [[nodiscard]] bool whole() const noexcept {
    return complete && totals.gaps == 0 && totals.duplicates == 0 && totals.lost == 0 && totals.errors == 0 &&
           closed_early == 0 && failed == 0;
  }
};

}  // namespace tocsin::loadgen
