#include "edge/hub/filter_index.h"

#include <algorithm>
#include <functional>

namespace tocsin::edge {
namespace {

constexpr std::size_t kLabels = 1;
constexpr std::size_t kMaxKeys = 16;  // of one filter; further members are left to Filter::matches

/// In the order of how few updates one value usually lets through; labels stand at kLabels.
struct Row {
  std::string_view name;  ///< in constraints
  std::vector<std::string> Filter::*values;
  std::string Facts::*fact;
};
constexpr std::array<Row, 9> kRows{{{"incident", &Filter::incident, &Facts::incident},
                                    {"labels", nullptr, nullptr},
                                    {"team", &Filter::team, &Facts::team},
                                    {"environment", &Filter::environment, &Facts::environment},
                                    {"source", &Filter::source, &Facts::source},
                                    {"category", &Filter::category, &Facts::category},
                                    {"kind", &Filter::kind, &Facts::kind},
                                    {"status", &Filter::status, &Facts::status},
                                    {"severity", &Filter::severity, &Facts::severity}}};

/// The values of a member that let an update through: the filter's, else those it is constrained to.
const std::vector<std::string>& values_of(const Filter& filter, const Row& row) {
  const auto& own = filter.*row.values;
  if (!own.empty()) return own;
  const auto constraint = std::find_if(filter.within.begin(), filter.within.end(),
                                       [&](const Constraint& c) { return c.member == row.name; });
  return constraint != filter.within.end() ? constraint->values : own;
}

std::uint64_t mixed(std::uint64_t key, std::uint64_t value) noexcept {
  key = (key ^ value) * 0x9E3779B97F4A7C15ULL;
  return key ^ (key >> 29U);
}
std::uint64_t hash_of(std::string_view value) noexcept { return std::hash<std::string_view>{}(value); }
std::uint64_t label_hash(std::string_view name, std::string_view value) noexcept {
  return mixed(mixed(1, hash_of(name)), hash_of(value));
}

constexpr bool has(unsigned shape, std::size_t member) noexcept { return (shape >> member & 1U) != 0; }

}  // namespace

/// The label with the fewest values; of equal ones, the one that fewest filters stand under.
std::vector<FilterIndex::Key> FilterIndex::label_values(const Filter& filter) const {
  std::vector<Key> best;
  std::size_t best_uses = 0;
  const auto consider = [&](std::string_view name, const std::vector<std::string>& values) {
    std::vector<Key> keys;
    std::size_t uses = 0;
    for (const auto& value : values) {
      keys.push_back(label_hash(name, value));
      if (const auto it = label_uses_.find(keys.back()); it != label_uses_.end())
        uses = std::max(uses, it->second);
    }
    if (keys.empty() || (!best.empty() && std::pair(keys.size(), uses) >= std::pair(best.size(), best_uses)))
      return;
    best = std::move(keys);
    best_uses = uses;
  };
  for (const auto& [name, values] : filter.labels) consider(name, values);
  for (const auto& c : filter.within)
    if (c.member.starts_with(kLabelMember))
      consider(std::string_view(c.member).substr(kLabelMember.size()), c.values);
  return best;
}

FilterIndex::Place FilterIndex::place_of(const Filter& filter) const {
  Place place;
  std::array<std::vector<Key>, kMembers> values;
  std::size_t combinations = 1;
  for (std::size_t member = 0; member < kRows.size(); ++member) {
    auto& mine = values[member];
    if (member == kLabels)
      mine = label_values(filter);
    else
      for (const auto& value : values_of(filter, kRows[member])) mine.push_back(hash_of(value));
    if (mine.empty()) continue;
    if (place.shape != 0 && combinations * mine.size() > kMaxKeys) continue;
    combinations *= mine.size();
    place.shape = static_cast<Shape>(place.shape | 1U << member);
  }
  if (place.shape == 0) return place;
  place.keys.push_back(place.shape);
  for (std::size_t member = 0; member < kRows.size(); ++member) {
    if (!has(place.shape, member)) continue;
    std::vector<Key> longer;
    for (const Key key : place.keys)
      for (const Key value : values[member]) longer.push_back(mixed(key, value));
    place.keys = std::move(longer);
  }
  if (has(place.shape, kLabels)) place.labels = std::move(values[kLabels]);
  return place;
}

void FilterIndex::add(Audience& audience, const Filter& filter) {
  if (filter.empty()) {
    unfiltered_.push_back(&audience);
    return;
  }
  ++filtered_;
  Place place = place_of(filter);
  if (place.shape == 0) {
    unindexed_.push_back(&audience);
    return;
  }
  if (++used_[place.shape] == 1) shapes_.push_back(place.shape);
  for (const Key key : place.keys) buckets_[key].push_back(&audience);
  for (const Key label : place.labels) ++label_uses_[label];
  places_[&audience] = std::move(place);
}

void FilterIndex::remove(Audience& audience, const Filter& filter) {
  if (filter.empty()) {
    std::erase(unfiltered_, &audience);
    return;
  }
  --filtered_;
  const auto at = places_.find(&audience);
  if (at == places_.end()) {
    std::erase(unindexed_, &audience);
    return;
  }
  const Place& place = at->second;
  if (--used_[place.shape] == 0) std::erase(shapes_, place.shape);
  for (const Key key : place.keys) {
    const auto it = buckets_.find(key);
    if (it == buckets_.end()) continue;
    std::erase(it->second, &audience);
    if (it->second.empty()) buckets_.erase(it);
  }
  for (const Key label : place.labels)
    if (const auto it = label_uses_.find(label); it != label_uses_.end() && --it->second == 0)
      label_uses_.erase(it);
  places_.erase(at);
}

void FilterIndex::candidates(const Facts& facts, std::vector<Audience*>& out) const {
  out.insert(out.end(), unindexed_.begin(), unindexed_.end());
  if (shapes_.empty()) return;
  std::array<Key, kMembers> hashes{};
  for (std::size_t member = 0; member < kRows.size(); ++member)
    if (member != kLabels) hashes[member] = hash_of(facts.*kRows[member].fact);
  const auto look_up = [&](Shape shape, Key label) {
    Key key = shape;
    for (std::size_t member = 0; member < kRows.size(); ++member)
      if (has(shape, member)) key = mixed(key, member == kLabels ? label : hashes[member]);
    if (const auto it = buckets_.find(key); it != buckets_.end())
      out.insert(out.end(), it->second.begin(), it->second.end());
  };
  for (const Shape shape : shapes_)
    if (!has(shape, kLabels)) look_up(shape, 0);
  // JSON may repeat a label: each pair once.
  for (auto it = facts.labels.begin(); it != facts.labels.end(); ++it) {
    if (std::find(facts.labels.begin(), it, *it) != it) continue;
    const Key label = label_hash(it->first, it->second);
    if (!label_uses_.contains(label)) continue;
    for (const Shape shape : shapes_)
      if (has(shape, kLabels)) look_up(shape, label);
  }
}

}  // namespace tocsin::edge
