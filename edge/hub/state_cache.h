#pragma once
// StateCache: the current incidents of a channel, filled from one consistent snapshot of the broker and kept
// up by the feed, so that snapshots are served without the broker.
//
//   empty --begin()--> filling --complete()--> ready      any --give_up()--> too_big     any --reset()-->
//   empty
//
// Invariant: when ready() at head h, entries are exactly the channel's incidents after update h. Thread: the
// loop.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "edge/hub/feed_update.h"
#include "edge/hub/recent_updates.h"
#include "proto/link_message.h"

namespace tocsin::edge {

class StateCache {
 public:
  enum class Phase : std::uint8_t { empty, filling, ready, too_big };
  struct Entry {
    Offset offset = 0;
    std::string json;
    mutable std::optional<Facts> facts;  ///< read when a filter first asks
  };

  explicit StateCache(std::size_t max_bytes) : max_bytes_(max_bytes) {
    if (max_bytes_ == 0) phase_ = Phase::too_big;
  }

  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  /// True when the entries stand at `head`.
  [[nodiscard]] bool ready(Offset head) const noexcept {
    return phase_ == Phase::ready && head >= valid_from_;
  }

  void reset();
  void begin();
  /// A page of the snapshot. Over the bound it gives up.
  void add_page(const std::vector<link::IncidentState>& incidents);
  /// The snapshot was of `position`; later updates are taken from `recent`. False: they are no longer there;
  /// begin again.
  bool complete(Offset position, const RecentUpdates& recent);
  void give_up();
  /// An update of the feed. Only when ready.
  void apply(const FeedUpdate& update);

  [[nodiscard]] const std::unordered_map<std::string, Entry>& entries() const noexcept { return entries_; }
  [[nodiscard]] static const Facts& facts_of_entry(const std::string& key, const Entry& entry);

 private:
  void put(const std::string& key, Offset offset, std::string_view json);

  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Phase phase_ = Phase::empty;
  Offset valid_from_ = 0;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace tocsin::edge
