#pragma once
// Story: what one application has of one channel, over all its sockets, and whether that is the promise: each
// position once, without holes, and each number that the publisher gave once. Positions are the server's
// word, numbers the publisher's: an update that was stored twice, or under another position, shows in the
// second.
//
// Thread: one.
#include <cstdint>
#include <string>
#include <vector>

#include "tools/loadgen/roam/frames.h"

namespace tocsin::loadgen::roam {

class Story {
 public:
  enum class Told : std::uint8_t { news, repeat };

  /// A socket's stream starts, or starts over, after `position`. What lies between it and what is known
  /// counts as missed; a position of another epoch starts the story anew.
  void begins(const Position& position);
  /// Offsets from..to were told. A repeat is dropped, as an application does.
  Told tell(std::uint64_t from, std::uint64_t to);
  /// News carried the publisher's number `n` (from 1).
  void number(std::uint64_t n);

  /// Numbers below `numbers.size()` that are said there to be acknowledged and never came.
  [[nodiscard]] std::uint64_t lost(const std::vector<bool>& acknowledged) const;
  [[nodiscard]] const Position& position() const noexcept { return position_; }
  [[nodiscard]] std::uint64_t numbers() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }
  [[nodiscard]] std::uint64_t twice() const noexcept { return twice_; }
  [[nodiscard]] std::uint64_t restarts() const noexcept { return restarts_; }

 private:
  Position position_;
  std::vector<bool> seen_;
  std::uint64_t count_ = 0;
  std::uint64_t missed_ = 0;    // offsets jumped over
  std::uint64_t twice_ = 0;     // numbers that the application got again
  std::uint64_t restarts_ = 0;  // another epoch
};

}  // namespace tocsin::loadgen::roam
