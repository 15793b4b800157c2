#pragma once
// feed(): publishes a stream of drafts, each at its time, over the broker's link or over HTTP, and tells how
// it went. What replay and demo have in common. Blocking: runs a loop of its own until everything is
// answered, or a signal.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "ops/cluster/cluster_file.h"
#include "ops/ctl/commands.h"
#include "proto/update.h"

namespace tocsin::ops {

class DraftStream {
 public:
  virtual ~DraftStream() = default;
  DraftStream(const DraftStream&) = delete;
  DraftStream& operator=(const DraftStream&) = delete;

  /// When the next draft is due, after the start; nothing: the stream has ended.
  [[nodiscard]] virtual std::optional<Millis> due() = 0;
  /// Takes it; nothing when it turned out to be none (a bad row, already counted).
  [[nodiscard]] virtual std::optional<Draft> take() = 0;
  /// Where a refused draft came from, for people: "row 17". `number` counts the drafts taken, from 0.
  [[nodiscard]] virtual std::string origin(std::uint64_t number) const = 0;
  [[nodiscard]] virtual std::uint64_t total() const { return 0; }  ///< 0: not known

 protected:
  DraftStream() = default;
  DraftStream(DraftStream&&) = default;
};

struct FeedReport {
  std::uint64_t published = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0;
  std::uint64_t resent = 0;
  double seconds = 0;
  std::string durability;
  std::vector<std::uint32_t> latency_ms;  ///< of the answers, sampled
  bool stopped = false;                   ///< by a signal, before the end
  [[nodiscard]] double rate() const {
    return seconds > 0 ? static_cast<double>(published + duplicates) / seconds : 0;
  }
};

struct FeedOptions {
  std::string what;  ///< for the progress line
  Via via = Via::ingest;
  bool json = false;
  std::string ca;     ///< as Common's, for HTTP
  std::string token;  ///< for HTTP: the link knows publishers by their keys
};

/// Fails with unavailable or forbidden when the broker (or every edge) cannot be reached at the start, or
/// will not have us.
[[nodiscard]] Result<FeedReport> feed(const ClusterFile& cluster, DraftStream& stream,
                                      const FeedOptions& options);

/// The summary: one JSON object, or a few words.
[[nodiscard]] std::string report_text(const FeedReport& report, std::uint64_t bad_rows, bool json);

}  // namespace tocsin::ops
