#pragma once
// IncidentCache: current incidents by channel and key, the uncommitted ones included: what the next change is
// folded into.
//
// Invariant: an incident changed by a group that is not committed yet stays until it is; others may be
// dropped to keep within the bound, for the store has them. Thread: the loop.
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/log/log_store.h"

namespace tocsin::broker {

class IncidentCache {
 public:
  using Json = std::shared_ptr<const std::string>;

  IncidentCache(const LogStore& store, std::size_t max_bytes) : store_(store), max_bytes_(max_bytes) {}

  /// The incident's JSON, nullptr when there is none. Reads the store on a miss; fails with what the store
  /// says.
  [[nodiscard]] Result<Json> find(ChannelId channel, std::string_view key);
  /// The state after a change of `group` (groups count up).
  void put(ChannelId channel, std::string_view key, Json json, std::uint64_t group);
  /// Groups up to this one are in the store: their incidents may be dropped.
  void committed(std::uint64_t group);
  /// A group failed: what is here may never have happened.
  void clear();

 private:
  struct Entry {
    std::string name;
    Json json;
    std::uint64_t group = 0;
  };
  using Lru = std::list<Entry>;  // newest first

  static std::string name_of(ChannelId channel, std::string_view key);
  void insert(std::string name, Json json, std::uint64_t group);
  void shrink();

  const LogStore& store_;
  const std::size_t max_bytes_;
  Lru lru_;
  std::unordered_map<std::string_view, Lru::iterator> index_;
  std::size_t bytes_ = 0;
  std::uint64_t committed_ = 0;
};

}  // namespace tocsin::broker
