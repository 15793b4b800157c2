#pragma once
// Flood: thins lines of one kind. So many in a second pass, then each hundredth; the next one that passes
// says how many were left out. Kinds share slots by hash: a rare one may be thinned with a frequent one, none
// is silenced.
//
// Thread: one at a time; the owner locks.
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

namespace tocsin::log {

class Flood {
 public:
  /// Lines to be left out, or how many were since the last that passed.
  struct Verdict {
    bool pass = true;
    std::uint64_t left_out = 0;
  };
  /// `per_second` 0: everything passes.
  Verdict look(std::string_view kind, std::int64_t wall_ms, std::int64_t per_second) noexcept {
    constexpr std::uint64_t kOneIn = 100;
    if (per_second <= 0) return {};
    Slot& slot = slots_[std::hash<std::string_view>{}(kind) % slots_.size()];
    const std::int64_t second = wall_ms / 1'000;
    if (slot.second != second) slot.second = second, slot.seen = 0;
    const auto over = ++slot.seen - per_second;
    if (over > 0 && static_cast<std::uint64_t>(over) % kOneIn != 0) {
      ++slot.left_out;
      return {false, 0};
    }
    return {true, std::exchange(slot.left_out, 0)};
  }

 private:
  struct Slot {
    std::int64_t second = 0;
    std::int64_t seen = 0;
    std::uint64_t left_out = 0;
  };
  std::array<Slot, 128> slots_{};
};

}  // namespace tocsin::log
