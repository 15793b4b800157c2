#include "tests/checker/coverage.h"

#include <algorithm>
#include <iterator>

namespace tocsin::checker {

bool Coverage::add(Offset from, Offset to) {
  if (to < from) return true;
  bool fresh = from >= next_;
  from = std::max(from, next_);
  if (to < from) return fresh;
  if (ahead_.empty() && from == next_) {  // the common case
    next_ = to + 1;
    return fresh;
  }
  auto it = ahead_.upper_bound(from);
  if (it != ahead_.begin() && std::prev(it)->second + 1 >= from) --it;
  while (it != ahead_.end() && it->first <= to + 1) {
    if (it->first <= to && it->second >= from) fresh = false;
    from = std::min(from, it->first);
    to = std::max(to, it->second);
    it = ahead_.erase(it);
  }
  if (from == next_) {
    next_ = to + 1;
  } else {
    ahead_.emplace(from, to);
  }
  return fresh;
}

bool Coverage::has(Offset offset) const {
  if (offset < next_) return true;
  const auto it = ahead_.upper_bound(offset);
  return it != ahead_.begin() && std::prev(it)->second >= offset;
}

}  // namespace tocsin::checker
