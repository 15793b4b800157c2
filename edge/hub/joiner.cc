#include "edge/hub/joiner.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "edge/codec/server_frame.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kTailLowWater = 32 * 1024;  // a replay goes on below this
constexpr std::size_t kReplayChunk = 128 * 1024;
constexpr std::uint64_t kExtendMaxUpdates = 50'000;
constexpr Millis kRetain{5'000};
constexpr Millis kRetry{200};

}  // namespace

Joiner::Joiner(const Config& config, const Clock& clock, BrokerPort& broker, Fanout& fanout, Metrics& metrics,
               SubOwner& owner)
    : config_(config),
      clock_(clock),
      broker_(broker),
      fanout_(fanout),
      metrics_(metrics),
      owner_(owner),
      self_(std::make_shared<Joiner*>(this)) {}

void Joiner::enter(Sub& sub) {
  if (!sub.joining) sub.joining = std::make_unique<Joining>();
  sub.joining->slot = static_cast<std::uint32_t>(joining_.size());
  joining_.push_back(&sub);
  by_serial_[sub.serial] = &sub;
  sub.client->pumping = true;
  sub.joining->deadline = clock_.steady() + config_.broker_wait;
  if (sub.mode == Mode::attaching && sub.feed->attached) start(sub);
}

void Joiner::leave(Sub& sub) {
  abandon_pages(sub);
  if (sub.mode == Mode::awaiting_head) --awaiting_head_;
  joining_.back()->joining->slot = sub.joining->slot;
  joining_[sub.joining->slot] = joining_.back();
  joining_.pop_back();
  by_serial_.erase(sub.serial);
  // What the client said it has is all that is sure until something is confirmed.
  const auto& since = sub.joining->since;
  if (sub.confirmed.epoch == Epoch{} && since && !since->malformed) sub.confirmed = since->position;
  sub.joining.reset();
  --sub.audience->joining;
  sub.client->pumping =
      std::any_of(sub.client->subs.begin(), sub.client->subs.end(),
                  [&sub](const auto& other) { return other.get() != &sub && other->mode != Mode::live; });
}

void Joiner::set_mode(Sub& sub, Mode mode) {
  if (sub.mode == Mode::awaiting_head) --awaiting_head_;
  if (mode == Mode::awaiting_head) ++awaiting_head_;
  sub.mode = mode;
  sub.joining->retry_at = Instant{};
}

void Joiner::admit(Sub& sub, AudienceLog::Cursor cursor) {
  leave(sub);
  Audience& audience = *sub.audience;
  join(audience, sub, cursor);
  if (cursor != audience.log.end()) {
    sub.behind_since = clock_.steady();
    fanout_.mark(audience);
  }
  fanout_.queue(*sub.client);
}

void Joiner::start(Sub& sub) {
  assert(sub.feed->attached);
  if (!sub.joining->since) {
    const bool revised = sub.reason == LostReason::filter_changed;
    if (sub.snapshot || revised)
      return begin_snapshot(sub, sub.restored || revised ? Outcome::snapshot : Outcome::live, sub.reason);
    return go_live(sub, Outcome::live, LostReason::none);
  }
  if (sub.joining->since->malformed) return refuse(sub, LostReason::malformed);
  if (sub.joining->since->position.epoch != sub.feed->epoch) return refuse(sub, LostReason::epoch_changed);
  sub.position = sub.joining->since->position;
  if (sub.position.offset > sub.feed->head) return await_head(sub);
  sub.outcome = Outcome::resumed;
  catch_up(sub);
}

void Joiner::announce(Sub& sub, Outcome outcome, LostReason reason, Position position,
                      bool snapshot_follows) {
  sub.announced = true;
  sub.outcome = outcome;
  sub.position = position;
  sub.marked = {};
  // Whoever resumes must hear of a loss or get the snapshot again, unless it surely arrived: until then the
  // older position stands.
  if (!snapshot_follows && outcome != Outcome::lost) sub.confirmed = position;
  metrics_.outcomes[outcome].add();
  const auto json = frame::subscribed(
      sub.client->encoding.door, {sub.id, sub.audience->number, sub.feed->name, position, outcome, reason});
  fanout_.send(*sub.client, json, snapshot_follows ? Position{} : position);
  owner_.changed(*sub.client);
}

void Joiner::refuse(Sub& sub, LostReason reason) {
  const bool snapshot = sub.snapshot || (reason == LostReason::too_old && sub.slow);
  if (snapshot) return begin_snapshot(sub, Outcome::snapshot, reason);
  go_live(sub, Outcome::lost, reason);
}

void Joiner::restart(Sub& sub, LostReason reason) { go_live(sub, Outcome::lost, reason); }

/// Live from the newest update on; what the filter removed so far is declared to the others first.
void Joiner::go_live(Sub& sub, Outcome outcome, LostReason reason) {
  Audience& audience = *sub.audience;
  announce(sub, outcome, reason, {sub.feed->epoch, sub.feed->head}, false);
  audience.log.skip_to(sub.feed->head);
  fanout_.mark(audience);
  admit(sub, audience.log.end());
}

/// The client knows more than this edge: either the feed is a moment late, or the position is of the future.
void Joiner::await_head(Sub& sub) {
  set_mode(sub, Mode::awaiting_head);
  broker_.get_channel(sub.feed->name, for_sub(sub, &Joiner::channel_info));
}

void Joiner::channel_info(Sub& sub, Result<link::ChannelInfo> info) {
  if (sub.mode != Mode::awaiting_head) return;
  if (!info || !info->fault.ok()) return put_off(sub);
  if (info->head.epoch == sub.position.epoch && info->head.last < sub.position.offset)
    refuse(sub, LostReason::future);
}

void Joiner::feed_advanced(Feed& feed) {
  if (awaiting_head_ > 0) resume_waiting(feed, Mode::awaiting_head);
}

void Joiner::resume_waiting(Feed& feed, Mode mode) {
  const auto waiting = joining_;
  for (Sub* sub : waiting) {
    if (sub->feed != &feed || sub->mode != mode) continue;
    if (mode == Mode::awaiting_head && sub->position.offset > feed.head) continue;
    if (mode == Mode::awaiting_state) {
      begin_snapshot(*sub, sub->outcome, sub->reason);
      continue;
    }
    if (mode == Mode::awaiting_head) sub->outcome = Outcome::resumed;
    set_mode(*sub, Mode::catching_up);
    catch_up(*sub);
  }
}

void Joiner::feed_attached(Feed& feed) {
  const auto waiting = joining_;
  for (Sub* sub : waiting) {
    if (sub->feed != &feed) continue;
    if (sub->mode == Mode::attaching || !sub->announced)
      start(*sub);
    else
      refuse(*sub, sub->position.epoch != feed.epoch ? LostReason::epoch_changed : LostReason::too_old);
  }
}

bool Joiner::has_room(const Sub& sub) const {
  return sub.client->tail_empty() || sub.client->tail->unsent() < kTailLowWater;
}

/// From sub.position to live: by the log, by the ring, by the broker's history, whichever is nearest.
void Joiner::catch_up(Sub& sub) {
  Feed& feed = *sub.feed;
  set_mode(sub, Mode::catching_up);
  sub.joining->deadline = clock_.steady() + config_.broker_wait;
  if (sub.position.epoch != feed.epoch) return refuse(sub, LostReason::epoch_changed);
  const bool in_ring = sub.position.offset >= feed.recent.floor();
  if (in_ring && !sub.announced) announce(sub, sub.outcome, LostReason::none, sub.position, false);
  if (in_ring && (join_log(sub) || extend_log(sub))) return;
  if (!has_room(sub)) return;  // pump() comes back when it is written
  if (in_ring) return replay_recent(sub);
  const auto missing = feed.recent.floor() - sub.position.offset;
  if (!sub.joining->private_history && missing <= kBackfillMaxUpdates &&
      feed.recent.footprint() < static_cast<std::size_t>(config_.recent_max_bytes) / 2) {
    set_mode(sub, Mode::backfilling);
    return begin_backfill(feed, sub.position.offset);
  }
  read_history(sub);
}

bool Joiner::join_log(Sub& sub) {
  Audience& audience = *sub.audience;
  if (sub.position.offset > audience.log.covered()) {  // between the last match and the head
    audience.log.skip_to(sub.position.offset);
    fanout_.mark(audience);
  }
  const auto place = audience.log.find(sub.position.offset);
  if (!place) return false;
  if (place->skip_to != 0)
    fanout_.send(
        *sub.client,
        frame::skip(audience.encoding.door, audience.number, sub.position.offset + 1, place->skip_to),
        {sub.feed->epoch, place->skip_to});
  admit(sub, place->cursor);
  return true;
}

/// Makes the audience's log reach back to the position, so that all who resume from there share the frames.
bool Joiner::extend_log(Sub& sub) {
  Feed& feed = *sub.feed;
  Audience& audience = *sub.audience;
  const Offset from = sub.position.offset;
  const Offset to = audience.log.floor();
  if (from >= to || to - from > kExtendMaxUpdates) return false;
  std::deque<SharedUpdate> matching;
  std::size_t bytes = audience.log.size();
  const std::size_t fits = fanout_.log_cap() / 2;  // beyond it the next trim would cut it off again
  if (bytes > fits) return false;
  const bool all = audience.filter.empty();
  for (Offset o = from + 1; o <= to; ++o) {
    const auto& update = feed.recent.at(o);
    if (!all && !audience.filter.matches(update->facts())) continue;
    bytes += update->members().size() + 64;
    if (bytes > fits) return false;
    matching.push_back(update);
  }
  audience.log.prepend(from, matching);
  metrics_.encoded.add(static_cast<std::int64_t>(matching.size()));
  if (audience.members.size() + audience.joining > 1) {
    audience.retain_from = audience.log.begin();
    audience.retain_until = clock_.steady() + kRetain;
  }
  return join_log(sub);
}

void Joiner::replay_recent(Sub& sub) {
  std::vector<SharedUpdate> chunk;
  std::size_t bytes = 0;
  Offset o = sub.position.offset;
  while (o < sub.feed->recent.head() && bytes < kReplayChunk) {
    const auto& update = sub.feed->recent.at(++o);
    bytes += update->members().size();
    chunk.push_back(update);
  }
  append_updates(sub, chunk, o);
}

/// Appends what of `updates` the subscription may see as private frames, and declares the rest up to `to`.
void Joiner::append_updates(Sub& sub, const std::vector<SharedUpdate>& updates, Offset to) {
  auto run = std::make_shared<FrameRun>();
  Offset at = sub.position.offset;
  const Audience& audience = *sub.audience;
  std::string scratch;
  const auto put = [&](const std::string& json, Offset upto) {
    append_framed(run->bytes, audience.encoding, json, {sub.feed->epoch, upto});
    run->close_frame();
    at = upto;
  };
  for (const auto& update : updates) {
    if (update->offset() <= at || update->offset() > to) continue;
    if (!audience.filter.empty() && !audience.filter.matches(update->facts())) continue;
    if (update->offset() > at + 1)
      put(frame::skip(audience.encoding.door, audience.number, at + 1, update->offset() - 1),
          update->offset() - 1);
    put(frame::update(audience.encoding.door, audience.number, update->offset(),
                      update->body(audience.encoding.door, scratch)),
        update->offset());
  }
  if (at < to) put(frame::skip(audience.encoding.door, audience.number, at + 1, to), to);
  sub.position.offset = at;
  fanout_.send_run(*sub.client, std::move(run));
}

void Joiner::fell_behind(Sub& sub) {
  enter(sub);
  if (sub.conflate != Conflate::never && sub.client->blocked) sub.behind_since = sub.client->stalled_since;
  fanout_.queue(*sub.client);
}

void Joiner::pump(Client& client) {
  for (std::size_t i = 0; i < client.subs.size(); ++i) {
    Sub& sub = *client.subs[i];
    if (!has_room(sub)) return;
    if (sub.mode == Mode::paging && sub.joining->retry_at == Instant{}) {
      if (sub.joining->page_ask == 0) next_page(sub);
    } else if (sub.mode == Mode::awaiting_state && sub.feed->state.ready(sub.feed->head)) {
      give_snapshot(sub);
    } else if (sub.mode == Mode::catching_up && sub.joining->retry_at == Instant{}) {
      if (sub.slow && sub.announced)
        begin_snapshot(sub, Outcome::snapshot, LostReason::slow);
      else
        catch_up(sub);
    }
  }
}

void Joiner::put_off(Sub& sub) { sub.joining->retry_at = clock_.steady() + kRetry; }

/// A stream that has begun is never given up: the broker comes back, and the client's socket is still good.
void Joiner::wait_failed(Sub& sub) {
  if (sub.announced) {
    sub.joining->deadline = clock_.steady() + config_.broker_wait;
    return put_off(sub);
  }
  owner_.fail(sub, {Errc::unavailable, "the broker did not answer in time"});
}

void Joiner::tick_sub(Sub& sub, Instant now) {
  if (sub.joining->retry_at != Instant{} && now >= sub.joining->retry_at) {
    sub.joining->retry_at = Instant{};
    if (sub.mode == Mode::awaiting_head)
      await_head(sub);
    else if (sub.mode == Mode::paging)
      next_page(sub);
    else if (sub.mode == Mode::catching_up)
      catch_up(sub);
    return;
  }
  if (sub.mode == Mode::awaiting_state) {
    Feed& feed = *sub.feed;
    if (feed.state.phase() == StateCache::Phase::empty && now >= feed.state_retry_at) fill_state(feed);
    if (feed.state.ready(feed.head) && has_room(sub)) return give_snapshot(sub);
  }
  const bool waits_for_broker = sub.mode != Mode::catching_up || sub.joining->retry_at != Instant{};
  if (now >= sub.joining->deadline && waits_for_broker && !(sub.mode == Mode::paging && !has_room(sub)))
    wait_failed(sub);
}

void Joiner::tick() {
  const auto now = clock_.steady();
  std::vector<std::uint64_t> serials;
  serials.reserve(joining_.size());
  for (const Sub* sub : joining_) serials.push_back(sub->serial);
  for (const auto serial : serials)
    if (const auto it = by_serial_.find(serial); it != by_serial_.end()) tick_sub(*it->second, now);
}

}  // namespace tocsin::edge
