#pragma once
// Pacer: which edge takes the next client, and when. A rate of its own for each target: additive increase
// while the target has room, halved when it says that it has none or refuses, never above what it says it
// takes, nor all together above the order's rate. Targets get shares by weight and headroom.
//
// Invariant: what take() gave in a second is at most the sum of the rates, plus one batch. Pure: time comes
// in by advance() and observe(). Any thread.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "edge/drain/order.h"
#include "proto/link_message.h"

namespace tocsin::edge {

class Pacer {
 public:
  struct Settings {
    double start = 200;  ///< clients a second for each target at first
    double step = 100;   ///< growth a second
    double wanted = 0;   ///< all together at first, if that is more: a deadline is to be met
  };
  struct Target {
    std::string id;
    std::string endpoint;
    std::uint32_t weight = 0, take_per_s = 0, load = 0;
    double factor = 1;     ///< weight and headroom, against the best target's
    double allowance = 0;  ///< a second, before the factor and the caps: what is added to and halved
    double rate = 0;       ///< a second, now
    double tokens = 0;
    bool refused = false;  ///< since the last second, as the next
    std::int64_t arrived = 0, arrived_ms = 0;
    bool there = false;  ///< in the last registry, and fit
  };
  /// Below, a target is given more; above, less; permille of its load.
  static constexpr std::uint32_t kRoom = 700, kFull = 850;
  /// The same for the time that clients need to follow an offer: the way there may be what is full.
  static constexpr Millis kSwift{400}, kSlow{1'000};

  Pacer(std::string self, const MoveOrder& order, Settings settings);

  /// From the next registry on only to these, and not to those; as in MoveOrder.
  void aim(std::vector<std::string> targets, std::vector<std::string> exclude) {
    only_ = std::move(targets);
    exclude_ = std::move(exclude);
  }
  /// The registry as it is now. Rates move once a second.
  void observe(const std::vector<link::EdgeInfo>& edges, Instant now);
  /// A target did not take what it was given.
  void refused(std::string_view id);
  /// A client came to the target this long after it was told to.
  void arrived(std::string_view id, Millis after);
  void advance(Millis time);
  /// From now on this many a second all together, whatever the targets say; none at all: all the same.
  void hurry(double per_second);

  /// Takes leave for one client; nullptr: not now.
  [[nodiscard]] const Target* take();
  /// The same for a client that cannot be told where to go: true also without targets, when in a hurry.
  [[nodiscard]] bool take_any();
  /// Gives the leave back.
  void give_back(std::string_view id);

  [[nodiscard]] double rate() const;
  [[nodiscard]] const std::vector<Target>& targets() const noexcept { return targets_; }
  [[nodiscard]] const Target* find(std::string_view id) const;
  /// How long `count` clients take from now on if the targets stay as they are.
  [[nodiscard]] Millis expected(std::size_t count, Millis deadline) const;

 private:
  [[nodiscard]] bool fit(const link::EdgeInfo& edge) const;
  Target& entry(const link::EdgeInfo& edge);
  void set_factors(const std::vector<link::EdgeInfo>& edges);
  void adjust();
  void set_rates();

  std::string self_;
  Settings settings_;
  double cap_ = 0;  ///< of the order; 0: none
  double batch_ = 0;
  double hurry_ = 0;
  double blind_tokens_ = 0;  ///< of a hurry without targets
  bool batch_open_ = false;
  std::vector<std::string> only_, exclude_;
  std::vector<Target> targets_;
  Instant adjusted_{};
};

/// Whether `a` is an older revision than `b`: runs of digits are compared as numbers, the rest as text.
[[nodiscard]] bool older_revision(std::string_view a, std::string_view b) noexcept;

}  // namespace tocsin::edge
