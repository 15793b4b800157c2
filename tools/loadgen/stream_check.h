#pragma once
// StreamCheck: holds one subscription to the promise while it measures: offsets of `update` and `skip` frames after the
// subscribed position are contiguous, each once. It reads frames by scanning for the few members it needs, in any order.
//
// Thread: one.
#include <cstdint>
#include <string_view>

namespace tocsin::loadgen {

/// The unsigned number after `"name":`, or `otherwise` when the member is absent.
[[nodiscard]] std::uint64_t number_member(std::string_view frame, std::string_view quoted_name, std::uint64_t otherwise);
/// The frame's type, or an empty view.
[[nodiscard]] std::string_view type_of(std::string_view frame);

struct Totals {
  std::uint64_t updates = 0;
  std::uint64_t skipped = 0;
  std::uint64_t gaps = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t conflated = 0;
  std::uint64_t lost = 0;  ///< subscriptions answered "lost"
  std::uint64_t errors = 0;
};

class StreamCheck {
 public:
  /// Takes a frame of this subscription; returns the offset when it is an update, 0 otherwise.
  std::uint64_t take(std::string_view frame, Totals& totals);
  /// The same for a server without offsets: the payload's own sequence "n" is held to order from the first one seen.
  std::uint64_t take_sequence(std::string_view payload, Totals& totals);
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] bool subscribed() const noexcept { return subscribed_; }

 private:
  void advance(std::uint64_t from, std::uint64_t to, Totals& totals);
  std::uint64_t position_ = 0;
  bool subscribed_ = false;
};

}  // namespace tocsin::loadgen
