#pragma once
// Joiner: brings subscriptions from "asked for" to "live" - attach, snapshot, resume - and back on when their
// place in the log was overwritten or the channel's history changed. The table of modes stands in client.h.
//
// Invariant: between `subscribed` at position p and the first frame from the audience's log, a subscription
// is given every offset after p up to its cursor exactly once, as update, skip or snapshot. At most one
// snapshot is held for a client at a time. Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "edge/broker_port.h"
#include "edge/config.h"
#include "edge/hub/fanout.h"
#include "edge/hub/feed.h"

namespace tocsin::edge {

/// What the joiner asks of the hub that owns feeds and subscriptions.
class SubOwner {
 public:
  virtual ~SubOwner() = default;
  SubOwner(const SubOwner&) = delete;
  SubOwner& operator=(const SubOwner&) = delete;
  /// nullptr when it is gone by the time the broker answers.
  [[nodiscard]] virtual Feed* find_feed(const std::string& name, std::uint64_t serial) = 0;
  /// Ends a subscription that could not be served; `error` goes to the client. `sub` is freed.
  virtual void fail(Sub& sub, const Error& error) = 0;
  /// The client's resume record is worth writing.
  virtual void changed(Client& client) = 0;

 protected:
  SubOwner() = default;
};

/// How far back the ring is extended for resumes; further back each client reads for itself.
inline constexpr std::uint64_t kBackfillMaxUpdates = 20'000;

class Joiner {
 public:
  Joiner(const Config& config, const Clock& clock, BrokerPort& broker, Fanout& fanout, Metrics& metrics,
         SubOwner& owner);

  /// A new subscription, or one whose place was lost: mode says where it stands.
  void enter(Sub& sub);
  void start(Sub& sub);
  /// It goes away.
  void leave(Sub& sub);
  /// The client's private frames are out: its subscriptions may go on.
  void pump(Client& client);
  void feed_attached(Feed& feed);
  void feed_advanced(Feed& feed);
  /// The position was overwritten in the audience's log.
  void fell_behind(Sub& sub);
  /// Starts over at the feed's new head, declared as lost.
  void restart(Sub& sub, LostReason reason);
  void tick();
  /// Subscriptions that are not live.
  [[nodiscard]] std::size_t size() const noexcept { return joining_.size(); }

 private:
  void admit(Sub& sub, AudienceLog::Cursor cursor);
  void set_mode(Sub& sub, Mode mode);
  void announce(Sub& sub, Outcome outcome, LostReason reason, Position position, bool snapshot_follows);
  void refuse(Sub& sub, LostReason reason);
  void go_live(Sub& sub, Outcome outcome, LostReason reason);
  void await_head(Sub& sub);
  void catch_up(Sub& sub);
  bool join_log(Sub& sub);
  bool extend_log(Sub& sub);
  void replay_recent(Sub& sub);
  void begin_backfill(Feed& feed, Offset from);
  void continue_backfill(Feed& feed);
  void end_backfill(Feed& feed, bool served);
  void read_history(Sub& sub);
  void backfill_page(Feed& feed, Result<link::ReadResult> page);
  void history_page(Sub& sub, Result<link::ReadResult> page);
  void channel_info(Sub& sub, Result<link::ChannelInfo> info);
  [[nodiscard]] std::vector<SharedUpdate> decode(const std::vector<Record>& records) const;
  void append_updates(Sub& sub, const std::vector<SharedUpdate>& updates, Offset to);
  void begin_snapshot(Sub& sub, Outcome outcome, LostReason reason);
  void give_snapshot(Sub& sub);
  void fill_state(Feed& feed);
  void state_page(Feed& feed, Result<link::SnapshotPage> page);
  void next_page(Sub& sub);
  void snapshot_page(Sub& sub, Result<link::SnapshotPage> page);
  void abandon_pages(Sub& sub);
  void put_off(Sub& sub);
  void tick_sub(Sub& sub, Instant now);
  void wait_failed(Sub& sub);
  [[nodiscard]] std::shared_ptr<const FrameRun> make_snapshot(const Audience& audience) const;
  [[nodiscard]] bool has_room(const Sub& sub) const;
  void resume_waiting(Feed& feed, Mode mode);

  /// Answers that arrive for something gone are dropped.
  template <typename T>
  Answer<T> for_sub(const Sub& sub, void (Joiner::*then)(Sub&, Result<T>)) {
    return [self = std::weak_ptr<Joiner*>(self_), serial = sub.serial, then](Result<T> answer) {
      const auto alive = self.lock();
      if (!alive) return;
      Joiner& joiner = **alive;
      const auto it = joiner.by_serial_.find(serial);
      if (it != joiner.by_serial_.end()) (joiner.*then)(*it->second, std::move(answer));
    };
  }
  template <typename T>
  Answer<T> for_feed(const Feed& feed, void (Joiner::*then)(Feed&, Result<T>)) {
    return [self = std::weak_ptr<Joiner*>(self_), name = feed.name, serial = feed.serial,
            then](Result<T> answer) {
      const auto alive = self.lock();
      if (!alive) return;
      if (Feed* found = (*alive)->owner_.find_feed(name, serial))
        ((*alive)->*then)(*found, std::move(answer));
    };
  }

  const Config& config_;
  const Clock& clock_;
  BrokerPort& broker_;
  Fanout& fanout_;
  Metrics& metrics_;
  SubOwner& owner_;
  std::vector<Sub*> joining_;  ///< every subscription that is not live
  std::unordered_map<std::uint64_t, Sub*> by_serial_;
  std::size_t awaiting_head_ = 0;
  std::uint64_t page_asks_ = 0;
  std::shared_ptr<Joiner*> self_;  ///< answers that outlive the joiner find it empty
};

}  // namespace tocsin::edge
