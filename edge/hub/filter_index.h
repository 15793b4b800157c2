#pragma once
// FilterIndex: which audiences of a channel an update may concern, found by their most selective exact member instead of a scan:
// ten thousand filters on ten thousand incidents cost an update one look-up.
//
// Invariant: candidates() names every audience whose filter matches, and each at most once. Thread: the loop.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proto/filter.h"

namespace tocsin::edge {

struct Audience;

class FilterIndex {
 public:
  void add(Audience& audience, const Filter& filter);
  void remove(Audience& audience, const Filter& filter);

  /// True when some filter looks at the update at all.
  [[nodiscard]] bool needs_facts() const noexcept { return filtered_ > 0; }
  /// Those without a filter.
  [[nodiscard]] const std::vector<Audience*>& unfiltered() const noexcept { return unfiltered_; }
  /// Appends the filtered audiences that may match; the caller still runs Filter::matches.
  void candidates(const Facts& facts, std::vector<Audience*>& out);

 private:
  static constexpr std::size_t kMembers = 9;  ///< incident, labels, team, environment, source, category, kind, status, severity
  [[nodiscard]] std::vector<std::string> keys_of(const Filter& filter, std::size_t& member) const;
  void look_up(std::size_t member, std::string_view name, std::string_view value, std::vector<Audience*>& out);

  std::unordered_map<std::string, std::vector<Audience*>> buckets_;
  std::vector<Audience*> unfiltered_;
  std::vector<Audience*> unindexed_;  ///< filters without an exact member: active
  std::array<std::size_t, kMembers> used_{};
  std::size_t filtered_ = 0;
  std::string key_;  ///< scratch
};

}  // namespace tocsin::edge
