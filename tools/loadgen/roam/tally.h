#pragma once
// Tally: what a fleet of roaming clients counts, by phase of the run and by the edge a client was on when the
// phase began. Plain data.
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/loadgen/histogram.h"
#include "tools/loadgen/roam/leg.h"

namespace tocsin::loadgen::roam {

/// Connections attempted, in tenths of a second.
class Attempts {
 public:
  void record(Clock::time_point now);
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  /// The most in a tenth of a second, as a rate per second.
  [[nodiscard]] double peak() const;
  /// Per second, from the first to the last.
  [[nodiscard]] double mean() const;

 private:
  Clock::time_point first_;
  std::vector<std::uint32_t> bins_;
  std::uint64_t total_ = 0;
};

struct Phase {
  std::string name;
  Clock::time_point start;
  std::map<std::string, Histogram> delivery_us;  ///< by the edge the client was on when the phase began
  Histogram blackout_ms;                         ///< one sample a move: 0 when the old socket was still open
  Histogram beyond_ms;       ///< time until a cut client had its stream again, less the delays dictated to it
  Attempts attempts;         ///< to connect again
  std::uint64_t moves = 0;   ///< streams that went on over another socket
  std::uint64_t hops = 0;    ///< of these to another edge
  std::uint64_t cut = 0;     ///< clients whose only socket ended
  std::uint64_t abrupt = 0;  ///< of these without `closing`
  std::uint64_t repeats = 0;      ///< updates seen again, dropped by position
  std::uint64_t offers = 0;       ///< `status` `migrating`
  std::uint64_t turned_away = 0;  ///< attempts that were answered 503
};

struct Tally {
  std::vector<Phase> phases;
  std::uint64_t resumed = 0;    ///< streams that went on where they were
  std::uint64_t snapshots = 0;  ///< streams that went on from a snapshot
  std::uint64_t lost = 0;       ///< streams answered `lost`
  std::uint64_t renewed = 0;    ///< sessions that were not known any more
  std::uint64_t broken = 0;     ///< frames out of place on their socket
  std::uint64_t disagreed = 0;  ///< positions that two clients saw differently
  std::uint64_t errors = 0;     ///< `error` frames, other than for a ticket
  [[nodiscard]] Phase& phase() { return phases.back(); }
};

}  // namespace tocsin::loadgen::roam
