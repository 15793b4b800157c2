#include "tests/sim/world.h"

#include <utility>

namespace tocsin::sim {

std::uint64_t Chance::next() {  // splitmix64
  std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

void World::after(std::int64_t ms, Event event) { queue_.push({now_ + ms, ++number_, std::move(event)}); }

void World::after(std::int64_t ms, const Life& life, Event event) {
  after(ms, [weak = std::weak_ptr<const bool>(life), event = std::move(event)] {
    if (!weak.expired()) event();
  });
}

void World::run(std::int64_t until) {
  while (!queue_.empty() && queue_.top().at <= until) {
    Entry entry = std::move(
        const_cast<Entry&>(queue_.top()));  // moved from, then popped: its order is not looked at again
    queue_.pop();
    now_ = entry.at;
    ++events_;
    entry.event();
  }
  now_ = until;
}

void World::note(std::string_view what) {
  constexpr std::uint64_t kPrime = 0x100000001B3ULL;
  trace_ = (trace_ ^ static_cast<std::uint64_t>(now_)) * kPrime;
  for (const char c : what) trace_ = (trace_ ^ static_cast<unsigned char>(c)) * kPrime;
}

}  // namespace tocsin::sim
