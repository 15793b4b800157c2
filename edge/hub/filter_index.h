#pragma once
// FilterIndex: which audiences of a channel an update may concern. A filter stands under one key for each
// combination of the values of its exact members (severity, incident, one label, ...), so an update finds it
// by one look-up per shape of filters in use, whatever their number. What the key leaves out - further
// labels, long lists, `active` - Filter::matches decides.
//
// Invariant: candidates() names every audience whose filter matches; twice only if the update repeats a label
// or hashes collide. Thread: the loop.
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
  /// As it was added.
  void remove(Audience& audience, const Filter& filter);

  /// True when some filter looks at the update at all.
  [[nodiscard]] bool needs_facts() const noexcept { return filtered_ > 0; }
  /// Those without a filter.
  [[nodiscard]] const std::vector<Audience*>& unfiltered() const noexcept { return unfiltered_; }
  /// Appends the filtered audiences that may match; the caller still runs Filter::matches.
  void candidates(const Facts& facts, std::vector<Audience*>& out) const;

 private:
  static constexpr std::size_t kMembers =
      9;  ///< incident, labels, team, environment, source, category, kind, status, severity
  /// Bit i: member i is in the key.
  using Shape = std::uint16_t;
  using Key = std::uint64_t;
  struct Place {
    Shape shape = 0;
    std::vector<Key> keys;
    std::vector<Key> labels;  ///< values of the label in the key
  };

  [[nodiscard]] Place place_of(const Filter& filter) const;
  [[nodiscard]] std::vector<Key> label_values(const Filter& filter) const;

  std::unordered_map<Key, std::vector<Audience*>> buckets_;
  std::unordered_map<const Audience*, Place> places_;
  std::unordered_map<Key, std::size_t> label_uses_;  ///< how many filters stand under a label's value
  std::array<std::size_t, 1U << kMembers> used_{};   ///< filters of each shape
  std::vector<Shape> shapes_;                        ///< those in use
  std::vector<Audience*> unfiltered_;
  std::vector<Audience*> unindexed_;  ///< filters without an exact member: active
  std::size_t filtered_ = 0;
};

}  // namespace tocsin::edge
