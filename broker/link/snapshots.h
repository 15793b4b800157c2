#pragma once
// Snapshots: consistent views that peers read page by page.
//
//   (empty cursor) --> open --page, page, ...--> last page: freed        idle too long, cancelled, peer gone:
//   freed
//
// Invariant: at most link.snapshots_max are open. A page that is asked for again (its answer was lost) is
// given again. Thread: the loop.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "broker/config.h"
#include "broker/log/log_store.h"
#include "broker/metrics.h"
#include "broker/seq/channels.h"
#include "common/clock.h"
#include "proto/link_message.h"

namespace tocsin::broker {

class Snapshots {
 public:
  /// Snapshots are numbered from `first_id` on; another one each life of the broker, so that a cursor of an
  /// earlier life fits nothing.
  Snapshots(const Config& config, const LogStore& store, Channels& channels, const Clock& clock,
            Metrics& metrics, std::uint64_t first_id)
      : config_(config),
        store_(store),
        channels_(channels),
        clock_(clock),
        metrics_(metrics),
        next_id_(first_id) {}

  /// overloaded when too many are open, not_found for the channel or a cursor that is no longer known.
  [[nodiscard]] link::SnapshotPage next(std::string_view peer, const link::SnapshotNext& query);
  /// Frees the snapshot of this cursor; nothing happens when it is another peer's.
  void cancel(std::string_view peer, const std::string& cursor);
  void peer_gone(std::string_view peer);
  void tick();

 private:
  struct Open {
    std::string peer;
    std::unique_ptr<SnapshotReader> reader;
    std::vector<IncidentRow> ahead;  ///< rows of the next page
    link::SnapshotPage given;        ///< the newest page, for a repeated question
    std::uint64_t page = 0;          ///< number of the page that comes next
    Instant used{};
  };
  [[nodiscard]] link::SnapshotPage page_of(std::uint64_t id, Open& open);
  [[nodiscard]] link::SnapshotPage begin(std::string_view peer, const std::string& channel);
  [[nodiscard]] Result<std::vector<IncidentRow>> read(Open& open) const;
  void count() { metrics_.snapshots.set(static_cast<std::int64_t>(open_.size())); }

  const Config& config_;
  const LogStore& store_;
  Channels& channels_;
  const Clock& clock_;
  Metrics& metrics_;
  std::map<std::uint64_t, Open> open_;
  std::uint64_t next_id_;
};

}  // namespace tocsin::broker
