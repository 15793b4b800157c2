#include "edge/hub/state_cache.h"

namespace tocsin::edge {
namespace {
constexpr std::size_t kEntryCost = 200;  // node, key and members beside the JSON
}

void StateCache::reset() {
  entries_.clear();
  bytes_ = 0;
  valid_from_ = 0;
  phase_ = max_bytes_ == 0 ? Phase::too_big : Phase::empty;
}

void StateCache::begin() {
  reset();
  if (phase_ == Phase::empty) phase_ = Phase::filling;
}

void StateCache::give_up() {
  reset();
  phase_ = Phase::too_big;
}

void StateCache::put(const std::string& key, Offset offset, std::string_view json) {
  auto [it, fresh] = entries_.try_emplace(key);
  Entry& entry = it->second;
  if (!fresh && entry.offset >= offset) return;
  bytes_ += json.size() + (fresh ? kEntryCost + key.size() : 0) - entry.json.size();
  entry.offset = offset;
  entry.json.assign(json);
  entry.facts.reset();
  if (bytes_ > max_bytes_) give_up();
}

void StateCache::add_page(const std::vector<link::IncidentState>& incidents) {
  for (const auto& incident : incidents) {
    if (phase_ != Phase::filling) return;
    put(incident.key, incident.offset, incident.json);
  }
}

bool StateCache::complete(Offset position, const RecentUpdates& recent) {
  if (phase_ != Phase::filling) return true;
  if (position < recent.floor()) return false;
  phase_ = Phase::ready;
  valid_from_ = position;
  for (Offset o = position + 1; o <= recent.head() && phase_ == Phase::ready; ++o) apply(*recent.at(o));
  return true;
}

void StateCache::apply(const FeedUpdate& update) {
  if (phase_ == Phase::ready && !update.incident().empty())
    put(update.key(), update.offset(), update.incident());
}

const Facts& StateCache::facts_of_entry(const std::string& key, const Entry& entry) {
  if (!entry.facts) entry.facts = facts_of_incident(key, entry.json);
  return *entry.facts;
}

}  // namespace tocsin::edge
