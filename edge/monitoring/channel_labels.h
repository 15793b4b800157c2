#pragma once
// ChannelLabels: which channels have a label of their own in what a profile tells, so that their number is
// bounded: of those that had none, the ones with the most subscriptions. The rest is "other".
//
// Invariant: a channel keeps its label until it is gone from this edge, however few still want it, and no
// count falls: what a channel had before it got its label stays with "other". Thread: the loop.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tocsin::edge {

/// A channel that this edge is interested in.
struct ChannelTally {
  std::string name;
  std::uint64_t serial = 0;  ///< later ones are greater; another one: the channel was gone meanwhile
  std::int64_t updates = 0;  ///< since it has this serial
  std::size_t subscriptions = 0;
};

class ChannelLabels {
 public:
  struct Count {
    std::string label;
    std::int64_t updates = 0;
  };
  /// One a label, "other" last; their sum is `all` less what channels with labels that are gone had.
  [[nodiscard]] std::vector<Count> count(std::vector<ChannelTally> channels, std::int64_t all,
                                         std::size_t most);

 private:
  struct Label {
    std::uint64_t serial = 0;
    std::int64_t before = 0;  ///< updates that are not of the label
    std::int64_t updates = 0;
  };
  std::map<std::string, Label> labels_;
  std::int64_t gone_ = 0;     ///< counted under labels that are no more
  std::uint64_t newest_ = 0;  ///< serial at the last count: later channels were never among "other"
};

}  // namespace tocsin::edge
