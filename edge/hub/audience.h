#pragma once
// Audience: all clients of this edge with the same channel, filter and encoding. They share one evaluation,
// one encoding and one log.
//
// Invariant: members is compact; members[i].sub->member == i. Thread: the loop.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "edge/hub/audience_log.h"
#include "edge/hub/client.h"
#include "proto/filter.h"

namespace tocsin::edge {

struct Feed;

/// One entry of the pass: everything a delivery touches beside the log.
struct Member {
  static constexpr std::uint32_t kBlocked = 1;  ///< the socket takes nothing now
  static constexpr std::uint32_t kGather =
      2;  ///< has private frames, other subscriptions, or is conflated: flushed as a client
  static constexpr std::uint32_t kHeld =
      4;  ///< had its share for now (max_rate): the cursor waits for Sub::due

  Socket socket = nullptr;
  AudienceLog::Cursor cursor = 0;
  Sub* sub = nullptr;
  std::uint32_t max_batch = 0;
  std::uint32_t flags = 0;
};
static_assert(sizeof(Member) <= 40);

struct Audience {
  Audience(Feed& f, std::string k, Filter fl, Encoding e, std::uint32_t n)
      : feed(f), key(std::move(k)), filter(std::move(fl)), encoding(e), number(n), log(e, n) {}

  Feed& feed;
  std::string key;  ///< in feed.audiences
  Filter filter;
  Encoding encoding;
  std::uint32_t number;         ///< `sub` on the wire
  std::uint32_t joining = 0;    ///< subscriptions that are not members yet
  std::size_t beacon_slot = 0;  ///< in feed.beacon_order
  bool dirty = false;           ///< in the list of the next pass
  bool touched = false;         ///< cursors moved in this pass
  AudienceLog log;
  std::vector<Member> members;
  std::size_t sweep_start = 0;
  AudienceLog::Cursor retain_from = 0;  ///< frames from here on are kept for others who resume...
  Instant retain_until{};               ///< ...until then
  std::shared_ptr<const FrameRun> snapshot;
  Position snapshot_position;
  Instant snapshot_made{};
};

/// Makes `sub` a member that goes on at `cursor`.
void join(Audience& audience, Sub& sub, AudienceLog::Cursor cursor);
/// Removes it; its cursor is returned.
AudienceLog::Cursor leave(Audience& audience, Sub& sub);

[[nodiscard]] inline Member& member_of(Sub& sub) { return sub.audience->members[sub.member]; }

}  // namespace tocsin::edge
