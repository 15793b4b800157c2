#include "edge/hub/recent_updates.h"

#include <cassert>

namespace tocsin::edge {

void RecentUpdates::reset(Offset head) {
  updates_.clear();
  bytes_ = 0;
  head_ = head;
}

void RecentUpdates::push(SharedUpdate update) {
  assert(update->offset() == head_ + 1);
  bytes_ += update->footprint();
  head_ = update->offset();
  updates_.push_back(std::move(update));
  while (bytes_ > max_bytes_ && updates_.size() > 1) {
    bytes_ -= updates_.front()->footprint();
    updates_.pop_front();
  }
}

void RecentUpdates::push_hole(Offset offset) { reset(offset); }

bool RecentUpdates::prepend(std::deque<SharedUpdate> older) {
  if (older.empty()) return true;
  if (older.back()->offset() != floor()) return false;
  std::size_t bytes = 0;
  for (const auto& update : older) bytes += update->footprint();
  if (bytes_ + bytes > max_bytes_) return false;
  bytes_ += bytes;
  updates_.insert(updates_.begin(), older.begin(), older.end());
  return true;
}

}  // namespace tocsin::edge
