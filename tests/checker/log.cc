#include "tests/checker/log.h"

#include <algorithm>

namespace tocsin::checker {

const Entry* Log::at(Offset offset) const {
  const auto it = pages_.find(offset / kPage);
  if (it == pages_.end()) return nullptr;
  const Entry& entry = (*it->second)[offset % kPage];
  return entry.content == 0 ? nullptr : &entry;
}

Entry& Log::slot(Offset offset) {
  auto& page = pages_[offset / kPage];
  if (!page) page = std::make_unique<Page>();
  return (*page)[offset % kPage];
}

std::uint32_t Logs::id(std::string_view channel, std::string_view epoch) {
  std::string name = std::string(channel) + "\n" + std::string(epoch);
  const auto [it, added] = ids_.try_emplace(std::move(name), static_cast<std::uint32_t>(logs_.size()));
  if (added) logs_.push_back(std::make_unique<Log>(std::string(channel), std::string(epoch)));
  return it->second;
}

bool Logs::superseded(std::uint32_t id) const {
  return std::any_of(logs_.begin() + id + 1, logs_.end(),
                     [&](const auto& later) { return later->channel() == logs_[id]->channel(); });
}

}  // namespace tocsin::checker
