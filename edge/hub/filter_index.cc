#include "edge/hub/filter_index.h"

#include <algorithm>

namespace tocsin::edge {
namespace {

constexpr std::size_t kLabels = 1;

/// In the order of how few updates one value usually lets through; labels stand at kLabels.
struct Row {
  std::vector<std::string> Filter::*values;
  std::string Facts::*fact;
};
constexpr std::array<Row, 9> kRows{{{&Filter::incident, &Facts::incident},
                                    {nullptr, nullptr},
                                    {&Filter::team, &Facts::team},
                                    {&Filter::environment, &Facts::environment},
                                    {&Filter::source, &Facts::source},
                                    {&Filter::category, &Facts::category},
                                    {&Filter::kind, &Facts::kind},
                                    {&Filter::status, &Facts::status},
                                    {&Filter::severity, &Facts::severity}}};

void make_key(std::string& out, std::size_t member, std::string_view name, std::string_view value) {
  out.clear();
  out.push_back(static_cast<char>('a' + member));
  out.append(name);
  out.push_back('\0');
  out.append(value);
}

}  // namespace

std::vector<std::string> FilterIndex::keys_of(const Filter& filter, std::size_t& member) const {
  std::vector<std::string> keys;
  std::string key;
  for (member = 0; member < kRows.size(); ++member) {
    if (member == kLabels) {
      if (filter.labels.empty()) continue;
      const auto best = std::min_element(filter.labels.begin(), filter.labels.end(),
                                         [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
      for (const auto& value : best->second) {
        make_key(key, member, best->first, value);
        keys.push_back(key);
      }
      return keys;
    }
    const auto& values = filter.*kRows[member].values;
    if (values.empty()) continue;
    for (const auto& value : values) {
      make_key(key, member, {}, value);
      keys.push_back(key);
    }
    return keys;
  }
  return keys;
}

void FilterIndex::add(Audience& audience, const Filter& filter) {
  if (filter.empty()) {
    unfiltered_.push_back(&audience);
    return;
  }
  ++filtered_;
  std::size_t member = 0;
  const auto keys = keys_of(filter, member);
  if (keys.empty()) {
    unindexed_.push_back(&audience);
    return;
  }
  ++used_[member];
  for (const auto& key : keys) buckets_[key].push_back(&audience);
}

void FilterIndex::remove(Audience& audience, const Filter& filter) {
  if (filter.empty()) {
    std::erase(unfiltered_, &audience);
    return;
  }
  --filtered_;
  std::size_t member = 0;
  const auto keys = keys_of(filter, member);
  if (keys.empty()) {
    std::erase(unindexed_, &audience);
    return;
  }
  --used_[member];
  for (const auto& key : keys) {
    const auto it = buckets_.find(key);
    if (it == buckets_.end()) continue;
    std::erase(it->second, &audience);
    if (it->second.empty()) buckets_.erase(it);
  }
}

void FilterIndex::look_up(std::size_t member, std::string_view name, std::string_view value, std::vector<Audience*>& out) {
  make_key(key_, member, name, value);
  if (const auto it = buckets_.find(key_); it != buckets_.end()) out.insert(out.end(), it->second.begin(), it->second.end());
}

void FilterIndex::candidates(const Facts& facts, std::vector<Audience*>& out) {
  out.insert(out.end(), unindexed_.begin(), unindexed_.end());
  for (std::size_t member = 0; member < kRows.size(); ++member) {
    if (used_[member] == 0) continue;
    if (member != kLabels) {
      look_up(member, {}, facts.*kRows[member].fact, out);
      continue;
    }
    // An audience sits under one label name only, but JSON may repeat a label: each pair once.
    for (auto it = facts.labels.begin(); it != facts.labels.end(); ++it)
      if (std::find(facts.labels.begin(), it, *it) == it) look_up(member, it->first, it->second, out);
  }
}

}  // namespace tocsin::edge
