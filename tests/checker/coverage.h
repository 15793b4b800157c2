#pragma once
// Coverage: which offsets of one stream were accounted for: everything below next(), and some islands ahead
// of it. Invariant: islands are disjoint, not adjacent, and above next(). Thread: one.
#include <cstdint>
#include <map>
#include <utility>

namespace tocsin::checker {

using Offset = std::uint64_t;

class Coverage {
 public:
  explicit Coverage(Offset next = 1) : next_(next) {}

  /// Marks from..to. False when any of them was marked before (the rest is marked all the same).
  bool add(Offset from, Offset to);
  [[nodiscard]] bool has(Offset offset) const;
  /// The first offset not accounted for.
  [[nodiscard]] Offset next() const noexcept { return next_; }
  [[nodiscard]] bool whole() const noexcept { return ahead_.empty(); }
  /// Highest offset marked.
  [[nodiscard]] Offset highest() const noexcept {
    return ahead_.empty() ? next_ - 1 : ahead_.rbegin()->second;
  }
  /// The first hole, only when not whole().
  [[nodiscard]] std::pair<Offset, Offset> hole() const { return {next_, ahead_.begin()->first - 1}; }

 private:
  Offset next_;
  std::map<Offset, Offset> ahead_;  // from -> to
};

}  // namespace tocsin::checker
