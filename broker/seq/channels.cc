#include "broker/seq/channels.h"

#include <algorithm>

namespace tocsin::broker {
namespace {

/// `*` in the pattern stands for any text.
bool fits(std::string_view pattern, std::string_view name) {
  const auto star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (name.substr(0, star) != pattern.substr(0, star)) return false;
  const auto rest = pattern.substr(star + 1);
  for (std::size_t at = star; at <= name.size(); ++at)
    if (fits(rest, name.substr(at))) return true;
  return false;
}

}  // namespace

Status Channels::open() {
  auto stored = store_.channels();
  if (!stored) return stored.error();
  for (auto& meta : *stored) {
    auto channel = std::make_unique<Channel>();
    channel->committed = meta;
    channel->pending = meta;
    channel->stored = true;
    if (meta.last >= meta.row_first) {
      const auto mark = store_.mark(meta.id, meta.last);
      if (!mark) return mark.error();
      channel->newest_ms = mark->stored_ms;
    }
    by_name_.emplace(meta.name, std::move(channel));
  }
  return Done{};
}

Channel* Channels::find(std::string_view name) {
  const auto at = by_name_.find(name);
  return at != by_name_.end() && at->second->stored ? at->second.get() : nullptr;
}

Durability Channels::durability_of(std::string_view name) const {
  const auto& patterns = config_.memory_channels;
  const bool memory =
      config_.durability == DefaultDurability::memory ||
      std::any_of(patterns.begin(), patterns.end(), [name](const std::string& p) { return fits(p, name); });
  return memory ? Durability::memory : Durability::disk;
}

Result<Channel*> Channels::find_or_create(std::string_view name) {
  if (const auto at = by_name_.find(name); at != by_name_.end()) return at->second.get();
  if (auto ok = check_channel_name(name); !ok) return ok.error();
  if (by_name_.size() >= static_cast<std::size_t>(config_.channels_max))
    return Error{Errc::too_many, "the broker has its " + std::to_string(config_.channels_max) +
                                     " channels (log.channels_max)"};
  auto channel = std::make_unique<Channel>();
  ChannelMeta& meta = channel->pending;
  meta.durability = durability_of(name);
  meta.id = store_.new_channel_id(meta.durability);
  meta.name = name;
  meta.epoch = Epoch{random_()};
  channel->dedup.emplace(static_cast<std::size_t>(config_.dedup_window));
  Channel* out = channel.get();
  by_name_.emplace(std::string(name), std::move(channel));
  return out;
}

Status Channels::load_dedup(Channel& channel) {
  if (channel.dedup) return Done{};
  const auto limit = static_cast<std::size_t>(config_.dedup_window);
  const auto newest = store_.newest_event_ids(channel.committed.id, limit);
  if (!newest) return newest.error();
  channel.dedup.emplace(limit);
  channel.dedup->load(*newest);
  return Done{};
}

void Channels::committed(const std::vector<ChannelMeta>& metas) {
  for (const auto& meta : metas) {
    const auto at = by_name_.find(meta.name);
    if (at == by_name_.end()) continue;
    at->second->committed = meta;
    at->second->stored = true;
  }
}

void Channels::roll_back() {
  std::erase_if(by_name_, [](const auto& entry) { return !entry.second->stored; });
  for (auto& [name, channel] : by_name_) {
    channel->pending = channel->committed;
    channel->dedup.reset();
  }
}

std::vector<Channel*> Channels::some_after(const std::string& after, std::size_t count) {
  std::vector<Channel*> out;
  auto at = by_name_.upper_bound(after);
  if (at == by_name_.end()) at = by_name_.begin();
  for (; at != by_name_.end() && out.size() < count; ++at)
    if (at->second->stored) out.push_back(at->second.get());
  return out;
}

}  // namespace tocsin::broker
