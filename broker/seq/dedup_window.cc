#include "broker/seq/dedup_window.h"

namespace tocsin::broker {

void DedupWindow::load(const std::vector<EventIdAt>& newest) {
  for (const auto& e : newest) add(e.event_id, {e.offset, 0});
}

std::optional<DedupWindow::Known> DedupWindow::find(std::string_view event_id) const {
  const auto at = index_.find(event_id);
  if (at == index_.end()) return std::nullopt;
  return at->second->known;
}

void DedupWindow::add(std::string event_id, Known known) {
  entries_.push_back({std::move(event_id), known});
  const Entry& added = entries_.back();
  index_.insert_or_assign(added.event_id, &added);
  while (entries_.size() > limit_) {
    const auto at = index_.find(entries_.front().event_id);
    if (at != index_.end() && at->second == &entries_.front()) index_.erase(at);
    entries_.pop_front();
  }
}

}  // namespace tocsin::broker
