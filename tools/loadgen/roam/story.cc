#include "tools/loadgen/roam/story.h"

#include <algorithm>

namespace tocsin::loadgen::roam {

void Story::begins(const Position& position) {
  if (position_.epoch == position.epoch) {
    if (position.offset <= position_.offset) return;
    missed_ += position.offset - position_.offset;
  } else if (!position_.epoch.empty()) {
    ++restarts_;
  }
  position_ = position;
}

Story::Told Story::tell(std::uint64_t from, std::uint64_t to) {
  if (to <= position_.offset) return Told::repeat;
  if (from > position_.offset + 1) missed_ += from - position_.offset - 1;
  position_.offset = to;
  return Told::news;
}

void Story::number(std::uint64_t n) {
  if (n >= seen_.size()) seen_.resize(std::max<std::size_t>(n + 1, seen_.size() * 2));
  if (seen_[n]) {
    ++twice_;
    return;
  }
  seen_[n] = true;
  ++count_;
}

std::uint64_t Story::lost(const std::vector<bool>& acknowledged) const {
  std::uint64_t lost = 0;
  for (std::size_t n = 0; n < acknowledged.size(); ++n)
    if (acknowledged[n] && (n >= seen_.size() || !seen_[n])) ++lost;
  return lost;
}

}  // namespace tocsin::loadgen::roam
