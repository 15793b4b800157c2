#pragma once
// DedupWindow: the event ids of a channel's newest updates, so that a publisher who repeats itself gets the
// first position.
//
// Invariant: holds a contiguous range of offsets that ends at the newest one; at most `limit` of them.
// Thread: the loop.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/log/log_store.h"

namespace tocsin::broker {

class DedupWindow {
 public:
  struct Known {
    Offset offset = 0;
    std::uint64_t body = 0;  ///< hash of what was published; 0: not known (it was read back from the store)
  };

  explicit DedupWindow(std::size_t limit) : limit_(limit) {}

  /// Takes over what the store holds, oldest first. Once, before anything else.
  void load(const std::vector<EventIdAt>& newest);
  [[nodiscard]] std::optional<Known> find(std::string_view event_id) const;
  /// Adds the next offset's id; the oldest is forgotten when the window is full.
  void add(std::string event_id, Known known);

 private:
  struct Entry {
    std::string event_id;
    Known known;
  };
  const std::size_t limit_;
  std::deque<Entry>
      entries_;  // its elements do not move when others come and go, so the index may point into them
  std::unordered_map<std::string_view, const Entry*> index_;
};

}  // namespace tocsin::broker
