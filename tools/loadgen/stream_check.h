#pragma once
// StreamCheck: holds one subscription to the promise while it measures: offsets of `update` and `skip` frames
// and of `replaces`, after the subscribed position, are contiguous, each once, and updates come in order. It
// reads frames by scanning for the few members it needs, in any order of members.
//
// A conflated batch comes oldest first and may name earlier offsets in a later frame's `replaces`: what lies
// between is a hole until then. A hole that is open when the stream starts over, or at finish(), is a gap.
//
// Thread: one.
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace tocsin::loadgen {

/// The unsigned number after `"name":`, or `otherwise` when the member is absent.
[[nodiscard]] std::uint64_t number_member(std::string_view frame, std::string_view quoted_name,
                                          std::uint64_t otherwise);
/// The frame's type, or an empty view.
[[nodiscard]] std::string_view type_of(std::string_view frame);

struct Totals {
  std::uint64_t updates = 0;
  std::uint64_t skipped = 0;
  std::uint64_t gaps = 0;        ///< offsets that were not told
  std::uint64_t duplicates = 0;  ///< offsets that were told again, or too late
  std::uint64_t conflated = 0;   ///< offsets that a newer update replaced
  std::uint64_t resumed = 0;     ///< subscriptions that went on where they were
  std::uint64_t restarted = 0;   ///< subscriptions that went on from a snapshot
  std::uint64_t lost = 0;        ///< subscriptions answered "lost"
  std::uint64_t errors = 0;
};

class StreamCheck {
 public:
  /// Takes a frame of this subscription; returns how many offsets of updates it told (its own and those it
  /// replaces).
  std::uint64_t take(std::string_view frame, Totals& totals);
  /// The same for a server without offsets: the payload's own sequence "n" is held to steps of `stride` from
  /// the first one seen.
  std::uint64_t take_sequence(std::string_view payload, std::uint64_t stride, Totals& totals);
  /// What is still open is a gap.
  void finish(Totals& totals);
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] bool subscribed() const noexcept { return subscribed_; }

 private:
  using Range = std::pair<std::uint64_t, std::uint64_t>;  // both ends included
  void on_subscribed(std::string_view frame, Totals& totals);
  std::uint64_t on_update(std::string_view frame, Totals& totals);
  void forward(std::uint64_t from, std::uint64_t to, Totals& totals);
  void fill(std::uint64_t offset, Totals& totals);

  std::uint64_t position_ = 0;
  bool subscribed_ = false;
  std::vector<Range> holes_;
};

}  // namespace tocsin::loadgen
