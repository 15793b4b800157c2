#pragma once
// RecentUpdates: the newest updates of a channel, decoded, so that resumes and snapshots' ends are served
// without the broker.
//
// Invariant: contiguous offsets (floor(), head()]; footprint() <= the bound, oldest dropped first. A cache:
// losing it loses nothing. Thread: the loop.
#include <deque>

#include "edge/hub/feed_update.h"

namespace tocsin::edge {

class RecentUpdates {
 public:
  explicit RecentUpdates(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  void reset(Offset head);
  /// The next update: offset == head() + 1.
  void push(SharedUpdate update);
  /// An offset whose bytes could not be read: everything before it is forgotten.
  void push_hole(Offset offset);
  /// Puts older updates in front: contiguous up to floor(). False (nothing kept) when they do not fit or do
  /// not join.
  bool prepend(std::deque<SharedUpdate> older);

  [[nodiscard]] Offset floor() const noexcept { return head_ - updates_.size(); }
  [[nodiscard]] Offset head() const noexcept { return head_; }
  [[nodiscard]] std::size_t footprint() const noexcept { return bytes_; }
  /// Requires floor() < offset <= head().
  [[nodiscard]] const SharedUpdate& at(Offset offset) const {
    return updates_[static_cast<std::size_t>(offset - floor() - 1)];
  }

 private:
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Offset head_ = 0;
  std::deque<SharedUpdate> updates_;
};

}  // namespace tocsin::edge
