#pragma once
// Feed: one channel as this edge sees it - its extent, its recent updates and current state (both caches),
// and its audiences.
//
// Invariant: head is the offset of the newest update told by the link; every audience's log covers at most
// head. Thread: the loop.
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "edge/hub/audience.h"
#include "edge/hub/filter_index.h"
#include "edge/hub/recent_updates.h"
#include "edge/hub/state_cache.h"

namespace tocsin::edge {

/// Older updates being read to extend the ring backwards, for all who wait for them.
struct Backfill {
  bool active = false;
  Offset from = 0;  ///< reading (from, to]
  Offset to = 0;
  std::deque<SharedUpdate> updates;
};

struct Feed {
  Feed(std::string n, std::uint64_t s, std::size_t recent_max, std::size_t state_max)
      : name(std::move(n)), serial(s), recent(recent_max), state(state_max) {}

  std::string name;
  std::uint64_t serial;
  bool attached = false;
  Epoch epoch{};
  Offset head = 0;
  RecentUpdates recent;
  StateCache state;
  std::string state_cursor;
  unsigned state_attempts = 0;
  bool state_asked = false;  ///< a page is under way
  Instant state_retry_at{};
  Backfill backfill;
  FilterIndex index;
  std::unordered_map<std::string, std::unique_ptr<Audience>> audiences;
  std::vector<Audience*> beacon_order;
  std::size_t beacon_next = 0;
  double beacon_credit = 0;
  std::size_t proto_audiences = 0;  ///< updates get their proto body at once while there are some
  std::size_t subscriptions = 0;
  std::int64_t updates = 0;  ///< that came since this feed began
  Instant idle_since{};
};

}  // namespace tocsin::edge
