#include "edge/monitoring/channel_labels.h"

#include <algorithm>
#include <utility>

namespace tocsin::edge {

std::vector<ChannelLabels::Count> ChannelLabels::count(std::vector<ChannelTally> channels, std::int64_t all,
                                                       std::size_t most) {
  std::map<std::string, Label> kept;
  std::vector<const ChannelTally*> without;
  for (const ChannelTally& channel : channels) {
    const auto known = labels_.find(channel.name);
    if (known == labels_.end() || known->second.serial != channel.serial || kept.size() >= most) {
      without.push_back(&channel);
      continue;
    }
    Label label = known->second;
    label.updates = channel.updates - label.before;
    labels_.erase(known);
    kept.emplace(channel.name, label);
  }
  for (const auto& [name, label] : labels_) gone_ += label.updates;
  labels_ = std::move(kept);
  const auto room = std::min(most - labels_.size(), without.size());
  std::partial_sort(without.begin(), without.begin() + static_cast<std::ptrdiff_t>(room), without.end(),
                    [](const auto* a, const auto* b) {
                      return std::pair(b->subscriptions, a->serial) < std::pair(a->subscriptions, b->serial);
                    });
  for (std::size_t i = 0; i < room; ++i) {
    const ChannelTally& channel = *without[i];
    const std::int64_t before = channel.serial > newest_ ? 0 : channel.updates;
    labels_[channel.name] = {channel.serial, before, channel.updates - before};
  }
  for (const ChannelTally& channel : channels) newest_ = std::max(newest_, channel.serial);
  std::vector<Count> out;
  std::int64_t other = all - gone_;
  for (const auto& [name, label] : labels_) {
    out.push_back({name, label.updates});
    other -= label.updates;
  }
  out.push_back({"other", other});
  return out;
}

}  // namespace tocsin::edge
