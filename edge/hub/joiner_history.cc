// History for resumes: the ring is extended backwards once for all who wait, or a client alone reads pages of
// the log.
#include <algorithm>

#include "common/log/log.h"
#include "edge/hub/joiner.h"

namespace tocsin::edge {
namespace {

constexpr std::uint32_t kBackfillPage = 1 << 20;
constexpr std::uint32_t kHistoryPage = 256 * 1024;

/// A failure in an answer, wherever it stands.
template <typename T>
Error failure_of(const Result<T>& answer) {
  return answer ? link::error_of(answer->fault) : answer.error();
}
template <typename T>
bool ok(const Result<T>& answer) {
  return answer && answer->fault.ok();
}

}  // namespace

std::vector<SharedUpdate> Joiner::decode(const std::vector<Record>& records) const {
  std::vector<SharedUpdate> out;
  out.reserve(records.size());
  for (const auto& record : records) {
    auto update = link::decode_update(record);
    if (update)
      out.push_back(std::make_shared<FeedUpdate>(*update));
    else
      log::error("a stored update cannot be read",
                 {{"offset", record.offset}, {"detail", update.error().detail}});
  }
  return out;
}

void Joiner::begin_backfill(Feed& feed, Offset from) {
  if (feed.backfill.active) return;  // whoever it does not reach far enough for asks again
  feed.backfill = {true, from, feed.recent.floor(), {}};
  // Others who wait may need more.
  for (const Sub* sub : joining_)
    if (sub->feed == &feed && sub->mode == Mode::backfilling)
      feed.backfill.from = std::min(feed.backfill.from, sub->position.offset);
  continue_backfill(feed);
}

void Joiner::continue_backfill(Feed& feed) {
  const auto& updates = feed.backfill.updates;
  const Offset after = updates.empty() ? feed.backfill.from : updates.back()->offset();
  metrics_.history_reads.add();
  broker_.read(feed.name, {feed.epoch, after}, kBackfillPage, for_feed(feed, &Joiner::backfill_page));
}

void Joiner::backfill_page(Feed& feed, Result<link::ReadResult> page) {
  auto& fill = feed.backfill;
  if (!fill.active) return;
  if (!ok(page) || page->records.empty()) return end_backfill(feed, false);
  Offset expected = (fill.updates.empty() ? fill.from : fill.updates.back()->offset()) + 1;
  for (auto& update : decode(page->records)) {
    if (update->offset() > fill.to) break;
    if (update->offset() != expected++) return end_backfill(feed, false);
    fill.updates.push_back(std::move(update));
  }
  if (expected <= fill.to) return continue_backfill(feed);
  // The ring may have lost its oldest meanwhile; then nothing joins and each reads for itself.
  auto older = std::exchange(fill.updates, {});
  end_backfill(feed, feed.recent.prepend(std::move(older)));
}

void Joiner::end_backfill(Feed& feed, bool served) {
  feed.backfill = {};
  if (!served)
    for (Sub* sub : joining_)
      if (sub->feed == &feed && sub->mode == Mode::backfilling) sub->joining->private_history = true;
  resume_waiting(feed, Mode::backfilling);
}

void Joiner::read_history(Sub& sub) {
  set_mode(sub, Mode::reading);
  metrics_.history_reads.add();
  broker_.read(sub.feed->name, sub.position, kHistoryPage, for_sub(sub, &Joiner::history_page));
}

void Joiner::history_page(Sub& sub, Result<link::ReadResult> page) {
  if (sub.mode != Mode::reading) return;
  set_mode(sub, Mode::catching_up);
  if (!ok(page)) {
    const Error error = failure_of(page);
    if (error.code == Errc::position_lost && error.detail == name_of(LostReason::too_old))
      return refuse(sub, LostReason::too_old);
    // A position of another epoch, or of the future: this feed is about to hear of it and starts over with
    // all its subscriptions.
    if (clock_.steady() >= sub.joining->deadline) return wait_failed(sub);
    return put_off(sub);
  }
  if (page->records.empty()) return put_off(sub);
  if (page->records.front().offset != sub.position.offset + 1) return refuse(sub, LostReason::too_old);
  if (!sub.announced) announce(sub, sub.outcome, LostReason::none, sub.position, false);
  // Never past this edge's own head: the live log goes on from there.
  append_updates(sub, decode(page->records),
                 std::min(page->records.back().offset, std::max(sub.feed->head, sub.position.offset)));
  fanout_.queue(*sub.client);
}

}  // namespace tocsin::edge
