#pragma once
// Client and Sub: what the hub keeps of one socket and of one of its subscriptions. Plain data; the verbs are
// in fanout.h (bytes out), joiner.h (how a subscription becomes live) and hub.h.
//
// A subscription's way:
//
//   attaching -> (awaiting_head | awaiting_state | paging)? -> catching_up <-> reading -> live
//        ^            lost, epoch changed                          ^                        |
//        +----------------------------------------------------------+-- fell off the log ---+
//
// Thread: the loop.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "edge/codec/client_command.h"
#include "edge/codec/door.h"
#include "edge/codec/server_frame.h"
#include "edge/hub/outlet.h"
#include "edge/hub/private_tail.h"

namespace tocsin::edge {

struct Audience;
struct Client;
struct Feed;

enum class Mode : std::uint8_t {
  attaching,       ///< the channel's feed has not started
  awaiting_head,   ///< its position is ahead of this edge's feed
  awaiting_state,  ///< the feed's state cache is being filled
  paging,          ///< a snapshot streams from the broker
  catching_up,     ///< may go on as soon as its private frames are out
  backfilling,     ///< waits for the ring to reach back far enough
  reading,         ///< a page of history is under way
  live,
};

/// What a subscription keeps only while it is not live.
struct Joining {
  std::uint32_t slot = 0;        ///< index in the joiner's list
  bool private_history = false;  ///< the ring could not be extended for it: it reads for itself
  std::optional<Since> since;
  Instant deadline{};
  Instant retry_at{};
  std::unique_ptr<std::string> page_cursor;  ///< where its own snapshot goes on; null before the first page
  std::uint64_t page_ask = 0;  ///< the question for a page of its own snapshot that is under way; 0: none
};

struct Sub {
  Client* client = nullptr;
  Feed* feed = nullptr;
  Audience* audience = nullptr;
  std::string id;
  std::uint64_t serial = 0;  ///< never used twice: answers of the broker find their subscription by it
  Mode mode = Mode::attaching;
  Conflate conflate = Conflate::when_stalled;
  bool snapshot = false;
  bool restored = false;   ///< came back with its session: never `live`
  bool announced = false;  ///< `subscribed` was sent
  bool ready = false;      ///< in its client's list of subscriptions with news
  bool slow = false;       ///< conflated until it reaches the head again
  Outcome outcome = Outcome::live;
  LostReason reason = LostReason::none;
  std::uint32_t max_rate = 0;        ///< runs a second; 0: no limit
  Instant due{};                     ///< its next run may go out then
  std::uint32_t falls = 0;           ///< off the log since it was last at the head
  std::uint32_t member = 0;          ///< index in audience->members while live
  std::unique_ptr<Joining> joining;  ///< null while live
  Position position;                 ///< declared up to here, while not live
  Position confirmed;      ///< the client surely has everything up to here; no epoch: nothing is sure
  Position marked;         ///< handed to the kernel before the ping under way; no epoch: nothing
  Instant behind_since{};  ///< zero: at the head
};

struct Client {
  Socket socket = nullptr;
  std::uint32_t slot = 0;
  std::uint64_t serial = 0;
  Encoding encoding;
  bool blocked = false;
  bool paused = false;      ///< blocked, whatever its socket takes
  bool dead = false;        ///< nothing may be written any more
  bool overflowed = false;  ///< a private frame found no room: its streams are no longer whole, it must go
  bool queued = false;      ///< in the list of clients to flush
  bool pumping = false;     ///< some subscription is not live
  bool rated = false;       ///< some subscription has a max_rate
  bool changed = false;     ///< in the hub's list of resume records to write
  std::size_t max_batch = 0;
  Instant stalled_since{};            ///< when it was blocked
  std::unique_ptr<PrivateTail> tail;  ///< null while there is nothing private
  std::vector<std::unique_ptr<Sub>> subs;
  std::vector<Sub*> ready;   ///< those a sweep found news for since the last flush
  bool look_at_all = false;  ///< the next flush looks at every subscription, not only at the ready ones

  [[nodiscard]] bool tail_empty() const noexcept { return !tail || tail->empty(); }
};

}  // namespace tocsin::edge
