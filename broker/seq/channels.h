#pragma once
// Channels: every channel of the broker, as committed and as it will be once the groups under way are
// committed.
//
// Invariant: `committed` is what peers may be told; `pending` runs ahead of it by the uncommitted groups
// only. Thread: the loop.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/config.h"
#include "broker/log/log_store.h"
#include "broker/seq/dedup_window.h"
#include "proto/link_message.h"

namespace tocsin::broker {

struct Channel {
  ChannelMeta committed;
  ChannelMeta pending;
  bool stored = false;               ///< false: its creation is not committed yet
  std::int64_t newest_ms = 0;        ///< stored_ms of the newest pending row
  std::optional<DedupWindow> dedup;  ///< absent until the first publish after a start or a failed group

  /// What peers may know. `first` is the pending one: rows below it may be gone a moment before their group
  /// is reported.
  [[nodiscard]] link::Head head() const {
    return {committed.name, committed.epoch, pending.first, committed.last};
  }
};

class Channels {
 public:
  using Random = std::function<std::uint64_t()>;
  Channels(const Config& config, LogStore& store, Random random)
      : config_(config), store_(store), random_(std::move(random)) {}

  /// Reads what the store has. Fails with what the store says.
  [[nodiscard]] Status open();
  /// A channel whose creation is committed, or nullptr.
  [[nodiscard]] Channel* find(std::string_view name);
  /// The channel, made when it is new: it is then `stored` only after its meta was committed. Fails with
  /// invalid_argument for the name, too_many.
  [[nodiscard]] Result<Channel*> find_or_create(std::string_view name);
  /// Loads the dedup window if it is not there. Fails with what the store says.
  [[nodiscard]] Status load_dedup(Channel& channel);

  /// The group with these metas is committed.
  void committed(const std::vector<ChannelMeta>& metas);
  /// Groups failed: back to what is committed; channels that were never stored are gone.
  void roll_back();

  [[nodiscard]] std::size_t size() const noexcept { return by_name_.size(); }
  /// Up to `count` channels after the one named `after`, in name order; from the start again when the end is
  /// reached.
  [[nodiscard]] std::vector<Channel*> some_after(const std::string& after, std::size_t count);

 private:
  [[nodiscard]] Durability durability_of(std::string_view name) const;

  const Config& config_;
  LogStore& store_;
  Random random_;
  std::map<std::string, std::unique_ptr<Channel>, std::less<>> by_name_;
};

}  // namespace tocsin::broker
