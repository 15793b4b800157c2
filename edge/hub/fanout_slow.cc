// The slow-client ladder's first rungs, and max_rate: who is behind gets the newest state of each incident;
// whose place was overwritten falls off the log (the joiner gives it a snapshot, Hub::stuck() sees those who
// do not get up).
//
//   normal --(far behind and stood still, or behind for long | over half the log's bound)--> conflated --(at
//   the head)--> normal either --(over the log's bound)--> fallen: snapshot, or history for those who are
//   never conflated
#include <algorithm>

#include "edge/hub/conflate.h"
#include "edge/hub/fanout.h"
#include "edge/hub/feed.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kLogLeast = 65'536;
constexpr std::size_t kRatedBytes = 512 * 1024;  // of one run for a rate
constexpr std::int64_t kSecondMs = 1'000;

}  // namespace

void Fanout::unblock(Client& client) {
  if (client.dead || client.paused || !client.blocked) return;
  const auto now = clock_.steady();
  const auto stalled = now - client.stalled_since;
  const auto cap = log_cap();
  client.blocked = false;
  metrics_.blocked.add(-1);
  for (auto& sub : client.subs) {
    if (sub->mode != Mode::live) {
      if (stalled >= config_.conflate_stalled && sub->conflate != Conflate::never) sub->slow = true;
      continue;
    }
    Member& member = member_of(*sub);
    member.flags &= ~Member::kBlocked;
    const auto lag = sub->audience->log.end() - member.cursor;
    const bool far = lag > static_cast<std::uint64_t>(config_.conflate_bytes);
    const bool old =
        stalled >= config_.conflate_stalled || now - sub->behind_since >= config_.conflate_behind;
    const bool due = (far && old) || lag > cap / 2;
    if (lag > 0 &&
        (sub->conflate == Conflate::when_behind || (sub->conflate == Conflate::when_stalled && due)))
      sub->slow = true;
  }
  queue(client);
}

std::size_t Fanout::log_cap() const {
  const auto share = static_cast<std::size_t>(config_.audiences_max_bytes /
                                              std::max<std::int64_t>(1, metrics_.audiences.value()));
  return std::min(static_cast<std::size_t>(config_.audience_max_bytes), std::max(share, kLogLeast));
}

/// Members that read, but are further than `far` behind, are conflated from now on, before the bound throws
/// them off. Who takes nothing now is looked at when it does.
void Fanout::slow_down(Audience& audience, std::size_t far) {
  const auto end = audience.log.end();
  for (auto& member : audience.members) {
    if (end - member.cursor <= far || (member.flags & Member::kBlocked) != 0 ||
        member.sub->conflate == Conflate::never)
      continue;
    member.sub->slow = true;
    member.flags |= Member::kGather;
  }
}

/// Frees what every member has, and over the bound what the slowest still lack.
void Fanout::trim(Audience& audience) {
  auto& log = audience.log;
  auto lowest = log.end();
  for (const auto& member : audience.members) lowest = std::min(lowest, member.cursor);
  const auto unsent = log.end() - lowest;
  if (audience.retain_from != 0) lowest = std::min(lowest, std::max(audience.retain_from, log.begin()));
  log.trim_to(lowest);
  const auto cap = log_cap();
  if (unsent > cap / 2) slow_down(audience, cap / 2);
  if (log.size() <= cap) return;
  audience.retain_from = 0;
  const auto keep_from = log.batch(log.begin(), log.size() - cap / 4 * 3).size() + log.begin();
  for (std::size_t i = 0; i < audience.members.size();) {
    Sub& sub = *audience.members[i].sub;
    if (audience.members[i].cursor >= keep_from) {
      ++i;
      continue;
    }
    sub.position = {audience.feed.epoch, log.position_at(audience.members[i].cursor)};
    unhold(sub);
    leave(audience, sub);
    sub.mode = Mode::catching_up;
    ++sub.falls;
    ++audience.joining;
    fallen_.push_back(&sub);
    metrics_.fell_behind.add();
  }
  log.trim_to(keep_from);
}

// ---- max_rate: a subscription gets a run at most so often; what came between two runs is conflated

void Fanout::unhold(Sub& sub) {
  if (sub.max_rate == 0 || sub.mode != Mode::live) return;
  Member& member = member_of(sub);
  if ((member.flags & Member::kHeld) == 0) return;
  member.flags &= ~Member::kHeld;
  held_.erase(&sub);
}

std::optional<Instant> Fanout::next_due() const {
  return held_.empty() ? std::nullopt : std::optional((*held_.begin())->due);
}

void Fanout::release_due() {
  if (held_.empty()) return;
  const auto now = clock_.steady();
  while (!held_.empty() && (*held_.begin())->due <= now) {
    Sub& sub = **held_.begin();
    unhold(sub);
    queue(*sub.client);
  }
}

/// What stands for everything from `cursor` on, and moves the cursor behind it.
std::shared_ptr<const FrameRun> Fanout::rated_run(Sub& sub, AudienceLog::Cursor& cursor) {
  Audience& audience = *sub.audience;
  if (rated_.log != &audience.log || rated_.from != cursor || rated_.end != audience.log.end() ||
      !rated_.run) {
    auto run = std::make_shared<FrameRun>();
    const auto result = conflate(audience.log, audience.encoding, audience.number, audience.feed.epoch,
                                 cursor, kRatedBytes, *run);
    rated_ = {&audience.log,  cursor,         result.cursor, audience.log.end(),
              std::move(run), result.updates, result.dropped};
  }
  cursor = rated_.to;
  delivered_ += rated_.updates;
  metrics_.conflated.add(static_cast<std::int64_t>(rated_.dropped));
  return rated_.run;
}

/// The client's subscriptions with a rate: what is due becomes private frames, what is not waits.
void Fanout::release_rated(Client& client) {
  if (!client.tail_empty()) return;  // the run before is not out yet
  const auto now = clock_.steady();
  for (auto& sub : client.subs) {
    if (sub->max_rate == 0 || sub->mode != Mode::live) continue;
    Member& member = member_of(*sub);
    if ((member.flags & Member::kHeld) != 0 || member.cursor == sub->audience->log.end()) continue;
    if (now < sub->due) {
      member.flags |= Member::kHeld;
      held_.insert(sub.get());
      continue;
    }
    send_run(client, rated_run(*sub, member.cursor));
    // Rounded up: never more than max_rate runs in a second.
    if (member.cursor == sub->audience->log.end())
      sub->due = now + Millis{(kSecondMs + sub->max_rate - 1) / sub->max_rate};
  }
}

}  // namespace tocsin::edge
