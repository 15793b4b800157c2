// Snapshots: from the feed's state cache, made once per audience and shared; or, when the state is too big to
// keep, streamed page by page from the broker to the one client.
#include "common/json/json.h"
#include "edge/codec/server_frame.h"
#include "edge/hub/joiner.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kSnapshotFrame = 48 * 1024;
constexpr Millis kSnapshotFresh{1'000};
constexpr Millis kStateRetry{300};
constexpr unsigned kStateAttempts = 5;

/// Collects incidents into frames of bounded size.
class SnapshotWriter {
 public:
  SnapshotWriter(FrameRun& run, Encoding encoding, std::uint32_t sub)
      : run_(run), encoding_(encoding), sub_(sub) {}

  void add(std::string_view incident) {
    if (!inside_.empty() && inside_.size() + incident.size() > kSnapshotFrame) flush(false, {});
    frame::append_incident(encoding_.door, inside_, incident);
  }
  /// `id` is what an SSE client resumes from, once it has the whole.
  void flush(bool last, Position id) {
    append_framed(run_.bytes, encoding_, frame::snapshot(encoding_.door, sub_, inside_, last), id);
    run_.close_frame();
    inside_.clear();
  }
  [[nodiscard]] bool empty() const noexcept { return inside_.empty(); }

 private:
  FrameRun& run_;
  Encoding encoding_;
  std::uint32_t sub_;
  std::string inside_;
};

}  // namespace

void Joiner::begin_snapshot(Sub& sub, Outcome outcome, LostReason reason) {
  sub.outcome = outcome;
  sub.reason = reason;
  sub.slow = false;
  Feed& feed = *sub.feed;
  if (feed.state.phase() == StateCache::Phase::too_big) {
    abandon_pages(sub);
    set_mode(sub, Mode::paging);
    if (has_room(sub)) next_page(sub);
    return;
  }
  set_mode(sub, Mode::awaiting_state);
  if (feed.state.phase() == StateCache::Phase::empty) fill_state(feed);
  if (feed.state.ready(feed.head) && has_room(sub)) give_snapshot(sub);
}

std::shared_ptr<const FrameRun> Joiner::make_snapshot(const Audience& audience) const {
  auto run = std::make_shared<FrameRun>();
  SnapshotWriter writer(*run, audience.encoding, audience.number);
  const bool all = audience.filter.empty();
  for (const auto& [key, entry] : audience.feed.state.entries())
    if (all || audience.filter.matches_state(StateCache::facts_of_entry(key, entry))) writer.add(entry.json);
  writer.flush(true, {audience.feed.epoch, audience.feed.head});
  return run;
}

void Joiner::give_snapshot(Sub& sub) {
  Feed& feed = *sub.feed;
  Audience& audience = *sub.audience;
  const auto now = clock_.steady();
  const bool usable = audience.snapshot && audience.snapshot_position.epoch == feed.epoch &&
                      now - audience.snapshot_made < kSnapshotFresh &&
                      audience.snapshot_position.offset >= feed.recent.floor();
  if (!usable) {
    audience.snapshot = make_snapshot(audience);
    audience.snapshot_position = {feed.epoch, feed.head};
    audience.snapshot_made = now;
  }
  announce(sub, sub.outcome, sub.reason, audience.snapshot_position, true);
  metrics_.snapshots.add();
  fanout_.send_run(*sub.client, audience.snapshot);
  catch_up(sub);
}

void Joiner::fill_state(Feed& feed) {
  if (feed.state_asked) return;
  if (feed.state.phase() != StateCache::Phase::filling) {
    feed.state.begin();
    feed.state_cursor.clear();
  }
  feed.state_asked = true;
  broker_.snapshot(feed.name, feed.state_cursor, for_feed(feed, &Joiner::state_page));
}

void Joiner::state_page(Feed& feed, Result<link::SnapshotPage> page) {
  feed.state_asked = false;
  if (feed.state.phase() != StateCache::Phase::filling) return;
  const bool good = page && page->fault.ok() && page->position.epoch == feed.epoch;
  if (!good) {
    feed.state.reset();
    feed.state_retry_at = clock_.steady() + kStateRetry;
    return;
  }
  feed.state.add_page(page->incidents);
  if (feed.state.phase() == StateCache::Phase::filling && !page->last) {
    feed.state_cursor = page->cursor;
    return fill_state(feed);
  }
  if (feed.state.phase() == StateCache::Phase::too_big && !page->last)
    broker_.cancel_snapshot(feed.name, page->cursor);
  if (!feed.state.complete(page->position.offset, feed.recent)) {
    // The feed ran faster than the pages: once more, and in the end each client pages for itself.
    feed.state.reset();
    if (++feed.state_attempts < kStateAttempts) return fill_state(feed);
    feed.state.give_up();
  }
  feed.state_attempts = 0;
  resume_waiting(feed, Mode::awaiting_state);
}

void Joiner::next_page(Sub& sub) {
  sub.joining->page_ask = ++page_asks_;
  broker_.snapshot(sub.feed->name, sub.joining->page_cursor ? *sub.joining->page_cursor : std::string(),
                   [self = std::weak_ptr<Joiner*>(self_), ask = sub.joining->page_ask, serial = sub.serial,
                    channel = sub.feed->name](Result<link::SnapshotPage> page) {
                     const auto alive = self.lock();
                     if (!alive) return;
                     Joiner& joiner = **alive;
                     const auto it = joiner.by_serial_.find(serial);
                     if (it != joiner.by_serial_.end() && it->second->joining->page_ask == ask)
                       return joiner.snapshot_page(*it->second, std::move(page));
                     // A page of a snapshot that was begun again, or that nobody waits for.
                     if (page && !page->cursor.empty()) joiner.broker_.cancel_snapshot(channel, page->cursor);
                   });
}

/// Whatever pages are still under way are not of the snapshot that comes next.
void Joiner::abandon_pages(Sub& sub) {
  if (sub.joining->page_cursor) broker_.cancel_snapshot(sub.feed->name, *sub.joining->page_cursor);
  sub.joining->page_cursor.reset();
  sub.joining->page_ask = 0;
}

void Joiner::snapshot_page(Sub& sub, Result<link::SnapshotPage> page) {
  sub.joining->page_ask = 0;
  if (sub.mode != Mode::paging) return abandon_pages(sub);
  const bool good = page && page->fault.ok() && page->position.epoch == sub.feed->epoch &&
                    (!sub.joining->page_cursor || page->position == sub.position);
  if (!good) {
    abandon_pages(sub);  // from the beginning, under a new `subscribed`
    return put_off(sub);
  }
  sub.joining->deadline = clock_.steady() + config_.broker_wait;
  if (!sub.joining->page_cursor) announce(sub, sub.outcome, sub.reason, page->position, true);
  auto run = std::make_shared<FrameRun>();
  SnapshotWriter writer(*run, sub.audience->encoding, sub.audience->number);
  for (const auto& incident : page->incidents)
    if (sub.audience->filter.matches_state(facts_of_incident(incident.key, incident.json)))
      writer.add(incident.json);
  if (page->last || !writer.empty()) writer.flush(page->last, page->last ? page->position : Position{});
  fanout_.send_run(*sub.client, std::move(run));
  sub.joining->page_cursor =
      page->last || page->cursor.empty() ? nullptr : std::make_unique<std::string>(page->cursor);
  if (!page->last) {
    if (has_room(sub)) next_page(sub);
    return;
  }
  metrics_.snapshots.add();
  if (page->position.offset > sub.feed->head)
    return set_mode(sub, Mode::awaiting_head);  // the feed is a moment late
  catch_up(sub);
}

}  // namespace tocsin::edge
