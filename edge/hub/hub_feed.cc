// What the link tells: a feed starts or starts over, and updates arrive.
#include <algorithm>

#include "common/log/log.h"
#include "edge/codec/server_frame.h"
#include "edge/hub/hub.h"

namespace tocsin::edge {

void Hub::attached(const link::Head& head, std::string_view lost) {
  const auto it = feeds_.find(head.channel);
  if (it == feeds_.end()) return;  // no longer wanted
  Feed& feed = *it->second;
  const bool again = feed.attached;
  const LostReason reason = feed.epoch != head.epoch ? LostReason::epoch_changed : LostReason::too_old;
  if (again && feed.epoch == head.epoch && feed.head == head.last) return;
  if (again)
    log::warn("a channel's history changed under its subscribers",
              {{"channel", head.channel}, {"lost", lost}, {"reason", name_of(reason)}});
  feed.attached = true;
  // What was written but not sent of the old history goes out first, while its audience still knows it.
  if (again) {
    for (Audience* audience : feed.beacon_order)
      for (auto& member : audience->members) settle(*audience, *member.sub);
  }
  feed.epoch = head.epoch;
  feed.head = head.last;
  feed.recent.reset(head.last);
  feed.state.reset();
  feed.backfill = {};
  for (Audience* audience : feed.beacon_order) {
    audience->log.reset({head.epoch, head.last});
    audience->retain_from = 0;
    audience->snapshot.reset();
  }
  if (again) start_over(feed, reason);
  joiner_.feed_attached(feed);
}

/// Moves what a member has not got yet to the client's private frames, if they have room: otherwise `lost`
/// says what it lacks.
void Hub::settle(Audience& audience, Sub& sub) {
  Member& member = member_of(sub);
  const auto rest = audience.log.batch(member.cursor, audience.log.size());
  if (!rest.empty() && fanout_.has_room(*sub.client, rest.size())) fanout_.send_bytes(*sub.client, rest);
  member.cursor = audience.log.end();
}

/// Members leave and come back one by one, each told that its position is lost.
void Hub::start_over(Feed& feed, LostReason reason) {
  std::vector<Sub*> subs;
  for (Audience* audience : feed.beacon_order) {
    while (!audience->members.empty()) {
      Sub& sub = *audience->members.back().sub;
      fanout_.unhold(sub);
      leave(*audience, sub);
      ++audience->joining;
      sub.mode = Mode::catching_up;
      sub.slow = false;
      subs.push_back(&sub);
    }
  }
  for (Sub* sub : subs) {
    joiner_.enter(*sub);
    joiner_.restart(*sub, reason);
  }
}

void Hub::updates(const std::string& channel, const std::vector<Record>& records) {
  const auto it = feeds_.find(channel);
  if (it == feeds_.end() || !it->second->attached) return;
  Feed& feed = *it->second;
  feed.updates += static_cast<std::int64_t>(records.size());
  metrics_.updates_in.add(static_cast<std::int64_t>(records.size()));
  if (arrived_ == 0) arrived_us_ = clock_.steady_us();
  arrived_ += static_cast<std::int64_t>(records.size());
  for (const auto& record : records) {
    if (record.offset != feed.head + 1) {
      log::error("the link told updates out of order",
                 {{"channel", channel}, {"head", feed.head}, {"offset", record.offset}});
      continue;
    }
    feed.head = record.offset;
    if (auto update = link::decode_update(record)) {
      if (tracer_ != nullptr && tracer_->sampled(update->event_id, update->trace))
        under_way_.push_back({trace::Stage::deliver,
                              update->event_id,
                              channel,
                              record.offset,
                              clock_.wall_us(),
                              0,
                              false,
                              {},
                              update->trace});
      deliver(feed, std::make_shared<FeedUpdate>(*update, feed.proto_audiences > 0
                                                              ? FeedUpdate::Forms::json_and_proto
                                                              : FeedUpdate::Forms::json));
    } else {
      log::error("an update cannot be read",
                 {{"channel", channel}, {"offset", record.offset}, {"detail", update.error().detail}});
      feed.recent.push_hole(record.offset);
    }
  }
  joiner_.feed_advanced(feed);
}

void Hub::append(Audience& audience, const SharedUpdate& update) {
  audience.log.append(update);
  fanout_.mark(audience);
  metrics_.encoded.add();
}

void Hub::deliver(Feed& feed, const SharedUpdate& update) {
  feed.recent.push(update);
  feed.state.apply(*update);
  for (Audience* audience : feed.index.unfiltered()) append(*audience, update);
  if (feed.index.needs_facts()) {
    candidates_.clear();
    feed.index.candidates(update->facts(), candidates_);
    for (Audience* audience : candidates_)
      if (audience->log.covered() < update->offset() && audience->filter.matches(update->facts()))
        append(*audience, update);
  }
  update->forget_blocks();
}

}  // namespace tocsin::edge
