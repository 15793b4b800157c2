#include "broker/seq/incident_cache.h"

namespace tocsin::broker {
namespace {
constexpr std::size_t kEntryOverhead = 200;  // bytes of list node, index node and string headers, about
}

std::string IncidentCache::name_of(ChannelId channel, std::string_view key) {
  const auto id = static_cast<std::uint64_t>(channel);
  std::string name(reinterpret_cast<const char*>(&id), sizeof id);
  return name.append(key);
}

Result<IncidentCache::Json> IncidentCache::find(ChannelId channel, std::string_view key) {
  std::string name = name_of(channel, key);
  if (const auto at = index_.find(name); at != index_.end()) {
    lru_.splice(lru_.begin(), lru_, at->second);
    return at->second->json;
  }
  auto stored = store_.incident(channel, key);
  if (!stored) return stored.error();
  if (!*stored) return Json{};
  insert(std::move(name), (*stored)->json, 0);
  return (*stored)->json;
}

void IncidentCache::put(ChannelId channel, std::string_view key, Json json, std::uint64_t group) {
  std::string name = name_of(channel, key);
  if (const auto at = index_.find(name); at != index_.end()) {
    bytes_ += json->size() - at->second->json->size();
    at->second->json = std::move(json);
    at->second->group = group;
    lru_.splice(lru_.begin(), lru_, at->second);
  } else {
    insert(std::move(name), std::move(json), group);
  }
  shrink();
}

void IncidentCache::insert(std::string name, Json json, std::uint64_t group) {
  bytes_ += name.size() + json->size() + kEntryOverhead;
  lru_.push_front({std::move(name), std::move(json), group});
  index_.emplace(lru_.front().name, lru_.begin());
  shrink();
}

void IncidentCache::shrink() {
  while (bytes_ > max_bytes_ && lru_.size() > 1 && lru_.back().group <= committed_) {
    const Entry& last = lru_.back();
    bytes_ -= last.name.size() + last.json->size() + kEntryOverhead;
    index_.erase(last.name);
    lru_.pop_back();
  }
}

void IncidentCache::committed(std::uint64_t group) {
  committed_ = group;
  shrink();
}

void IncidentCache::clear() {
  index_.clear();
  lru_.clear();
  bytes_ = 0;
}

}  // namespace tocsin::broker
