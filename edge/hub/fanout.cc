#include "edge/hub/fanout.h"

#include <algorithm>
#include <array>
#include <utility>

#include "edge/codec/server_frame.h"
#include "edge/hub/conflate.h"
#include "edge/hub/feed.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kAhead = 8;   // busy() of these first: their cache misses overlap
constexpr int kBatchesPerTurn = 4;  // of one client; then the loop looks at its sockets
constexpr std::size_t kKeepScratch = 1 << 20;

/// Has news that may go out now.
bool waits(Sub& sub) {
  if (sub.mode != Mode::live) return false;
  const Member& member = member_of(sub);
  return (member.flags & Member::kHeld) == 0 && member.cursor != sub.audience->log.end();
}

}  // namespace

Fanout::Fanout(const Config& config, const Clock& clock, Outlet& outlet, Metrics& metrics)
    : config_(config), clock_(clock), outlet_(outlet), metrics_(metrics) {}

void Fanout::mark(Audience& audience) {
  if (audience.dirty) return;
  audience.dirty = true;
  dirty_.push_back(&audience);
}

void Fanout::touch(Audience& audience) {
  if (audience.touched) return;
  audience.touched = true;
  touched_.push_back(&audience);
}

void Fanout::queue(Client& client) {
  client.look_at_all = true;
  if (client.queued || client.dead) return;
  client.queued = true;
  queued_.push_back(&client);
}

/// A sweep found news for one of several subscriptions: the flush looks at those only, however many the
/// client has.
void Fanout::queue_sub(Sub& sub) {
  Client& client = *sub.client;
  if (!sub.ready) {
    sub.ready = true;
    client.ready.push_back(&sub);
  }
  if (client.queued || client.dead) return;
  client.queued = true;
  queued_.push_back(&client);
}

/// What the flush that begins looks at; the lists are emptied.
std::vector<Sub*>& Fanout::candidates(Client& client) {
  flushing_.clear();
  if (std::exchange(client.look_at_all, false))
    for (auto& sub : client.subs) flushing_.push_back(sub.get());
  else
    flushing_ = client.ready;
  for (Sub* sub : client.ready) sub->ready = false;
  client.ready.clear();
  return flushing_;
}

PrivateTail& Fanout::tail_of(Client& client) {
  if (!client.tail) {
    client.tail = std::make_unique<PrivateTail>();
    for (auto& sub : client.subs)
      if (sub->mode == Mode::live) member_of(*sub).flags |= Member::kGather;
  }
  queue(client);
  return *client.tail;
}

bool Fanout::has_room(const Client& client, std::size_t size) const {
  const std::size_t own = client.tail ? client.tail->own_bytes() : 0;
  return own == 0 || own + size <= static_cast<std::size_t>(config_.private_max_bytes);
}

bool Fanout::send_bytes(Client& client, std::string_view frame) {
  if (client.dead) return true;
  if (!has_room(client, frame.size())) {
    client.overflowed = true;
    kill(client);
    return false;
  }
  tail_of(client).append(frame);
  metrics_.private_frames.add();
  return true;
}

bool Fanout::send(Client& client, std::string_view json, Position id) {
  std::string framed;
  framed.reserve(json.size() + 48);
  append_framed(framed, {client.encoding.door}, json, id);  // a private frame is not worth compressing
  return send_bytes(client, framed);
}

void Fanout::send_run(Client& client, std::shared_ptr<const FrameRun> run) {
  if (client.dead || run->bytes.empty()) return;
  metrics_.private_frames.add(static_cast<std::int64_t>(run->ends.size()));
  tail_of(client).append(std::move(run));
}

void Fanout::block(Client& client) {
  if (!client.blocked) {
    client.blocked = true;
    client.stalled_since = clock_.steady();
    metrics_.blocked.add(1);
  }
  for (auto& sub : client.subs) {
    if (sub->mode != Mode::live) continue;
    member_of(*sub).flags |= Member::kBlocked | Member::kGather;
    if (sub->behind_since == Instant{}) sub->behind_since = client.stalled_since;
  }
}

void Fanout::pause(Client& client) {
  client.paused = true;
  block(client);
}

void Fanout::resume(Client& client) {
  client.paused = false;
  unblock(client);
}

void Fanout::kill(Client& client) {
  client.dead = true;
  for (auto& sub : client.subs)
    if (sub->mode == Mode::live) member_of(*sub).flags |= Member::kBlocked;
}

/// Accounts for a write; false when nothing more may be written now.
bool Fanout::wrote(Client& client, std::string_view bytes) {
  const Sent sent = outlet_.write(client.socket, bytes);
  if (sent == Sent::dead) kill(client);
  if (sent == Sent::queued) block(client);
  return sent == Sent::all;
}

const Fanout::Batch& Fanout::batch(const AudienceLog& log, AudienceLog::Cursor from, std::size_t max) {
  if (memo_.log != &log || memo_.from != from || memo_.max != max) {
    const auto bytes = log.batch(from, max);
    memo_ = {&log, from, max, bytes, log.frames_between(from, from + bytes.size())};
  }
  return memo_;
}

void Fanout::write_member(Audience& audience, Member& member) {
  const auto& log = audience.log;
  for (int i = 0; i < kBatchesPerTurn; ++i) {
    const Batch& next = batch(log, member.cursor, member.max_batch);
    member.cursor += next.bytes.size();
    delivered_ += next.frames;
    const Sent sent = outlet_.write(member.socket, next.bytes);
    if (sent == Sent::dead) return kill(*member.sub->client);
    if (sent == Sent::queued) return block(*member.sub->client);
    if (member.cursor == log.end()) return;
  }
  more_ = true;
  mark(audience);
}

void Fanout::sweep(Audience& audience) {
  const auto end = audience.log.end();
  const std::size_t count = audience.members.size();
  if (count == 0) return;
  memo_ = {};
  std::size_t at = audience.sweep_start++ % count;
  std::array<Member*, kAhead> ready{};
  for (std::size_t done = 0; done < count;) {
    std::size_t found = 0;
    for (; done < count && found < kAhead; ++done) {
      Member& member = audience.members[at];
      at = at + 1 == count ? 0 : at + 1;
      if (member.cursor == end || (member.flags & (Member::kBlocked | Member::kHeld)) != 0) continue;
      if ((member.flags & Member::kGather) != 0) {
        queue_sub(*member.sub);
      } else if (outlet_.busy(member.socket)) {
        block(*member.sub->client);
      } else {
        ready[found++] = &member;
      }
    }
    for (std::size_t i = 0; i < found; ++i) write_member(audience, *ready[i]);
  }
}

void Fanout::add(std::string_view& only, std::string_view bytes) {
  if (bytes.empty()) return;
  if (only.empty() && scratch_.empty()) {
    only = bytes;
    return;
  }
  if (scratch_.empty()) scratch_.assign(only);
  scratch_.append(bytes);
}

void Fanout::gather_live(Client& client, Sub& sub, std::string_view& only) {
  Member& member = member_of(sub);
  const auto& log = sub.audience->log;
  const std::size_t used = scratch_.empty() ? only.size() : scratch_.size();
  if (member.cursor == log.end() || used >= client.max_batch) return;
  const std::size_t room = client.max_batch - used;
  if (!sub.slow) {
    const auto bytes = log.batch(member.cursor, room);
    if (used > 0 && bytes.size() > room) return;  // a large frame waits for a write of its own
    delivered_ += log.frames_between(member.cursor, member.cursor + bytes.size());
    add(only, bytes);
    member.cursor += bytes.size();
    return;
  }
  if (used > 0) return;  // a conflated batch goes alone
  conflated_.bytes.clear();
  conflated_.ends.clear();
  const auto result = conflate(log, client.encoding, sub.audience->number, sub.audience->feed.epoch,
                               member.cursor, room, conflated_);
  scratch_.swap(conflated_.bytes);
  member.cursor = result.cursor;
  delivered_ += result.updates;
  metrics_.conflated.add(static_cast<std::int64_t>(result.dropped));
}

/// The next write of the client: its private frames, then its audiences'. Cursors are moved: the outlet takes
/// everything or is dead.
std::string_view Fanout::gather(Client& client, const std::vector<Sub*>& subs) {
  scratch_.clear();
  std::string_view only;
  while (!client.tail_empty()) {
    const std::size_t used = scratch_.empty() ? only.size() : scratch_.size();
    if (used >= client.max_batch) break;
    const auto bytes = client.tail->front(client.max_batch - used);
    if (used > 0 && bytes.size() > client.max_batch - used) break;
    scratch_.append(bytes);  // copied: take() may free the piece
    client.tail->take(bytes.size());
  }
  if (!client.tail_empty()) return scratch_;
  const std::size_t count = subs.size();
  for (std::size_t i = 0; i < count;
       ++i) {  // another one first each turn: a busy channel must not starve the rest
    Sub& sub = *subs[(turns_ + i) % count];
    if (sub.mode == Mode::live && sub.max_rate == 0) gather_live(client, sub, only);
  }
  return scratch_.empty() ? only : std::string_view(scratch_);
}

/// After a flush: what is fully served goes back to the fast path.
void Fanout::settle_flags(Client& client, const std::vector<Sub*>& subs) {
  if (client.tail_empty()) {
    client.tail.reset();
    if (client.pumping) drained_.push_back(&client);
  }
  for (Sub* sub : subs) {
    if (sub->mode != Mode::live) continue;
    Member& member = member_of(*sub);
    if (member.cursor == sub->audience->log.end()) {
      sub->slow = false;
      sub->falls = 0;
      sub->behind_since = Instant{};
    }
    if (client.subs.size() > 1 || client.tail || sub->slow || sub->max_rate > 0 || client.blocked)
      member.flags |= Member::kGather;
    else
      member.flags &= ~Member::kGather;
  }
}

void Fanout::flush(Client& client) {
  if (client.blocked || client.dead) return;
  if (client.rated) release_rated(client);
  const auto& subs = candidates(client);
  bool open = true;
  for (int i = 0; open && i < kBatchesPerTurn; ++i) {
    if (outlet_.busy(client.socket)) {
      block(client);
      break;
    }
    const auto bytes = gather(client, subs);
    if (bytes.empty()) break;
    open = wrote(client, bytes);
  }
  if (scratch_.capacity() > kKeepScratch) std::string().swap(scratch_);
  settle_flags(client, subs);
  bool more = !client.tail_empty();
  for (Sub* sub : subs) {
    if (sub->mode != Mode::live) continue;
    touch(*sub->audience);
    more = more || waits(*sub);
  }
  if (open && !client.blocked && more) {
    more_ = true;
    queue(client);
  }
}

void Fanout::flush_tail(Client& client) {
  if (client.dead || client.blocked || client.tail_empty() || outlet_.busy(client.socket)) return;
  scratch_.clear();
  while (!client.tail_empty() && scratch_.size() < client.max_batch) {
    const auto bytes = client.tail->front(client.max_batch);
    scratch_.append(bytes);
    client.tail->take(bytes.size());
  }
  wrote(client, scratch_);
}

bool Fanout::behind(const Client& client) {
  if (!client.tail_empty()) return true;
  return std::any_of(client.subs.begin(), client.subs.end(), [](const auto& sub) { return waits(*sub); });
}

bool Fanout::pass() {
  more_ = false;
  ++turns_;
  rated_ = {};  // between passes a log is trimmed and extended: a cursor may come to name other frames
  release_due();
  const auto dirty = std::exchange(dirty_, {});
  for (Audience* audience : dirty) {
    audience->dirty = false;
    sweep(*audience);
    touch(*audience);
  }
  const auto queued = std::exchange(queued_, {});
  for (Client* client : queued) {
    client->queued = false;
    flush(*client);
  }
  // Trimming comes last: gathered clients of these audiences have had their turn.
  const auto touched = std::exchange(touched_, {});
  for (Audience* audience : touched) {
    audience->touched = false;
    trim(*audience);
  }
  metrics_.delivered.add(static_cast<std::int64_t>(std::exchange(delivered_, 0)));
  return more_;
}

std::vector<Client*> Fanout::take_drained() { return std::exchange(drained_, {}); }
std::vector<Sub*> Fanout::take_fallen() { return std::exchange(fallen_, {}); }

void Fanout::forget(Client& client) {
  if (client.blocked) metrics_.blocked.add(-1);
  if (client.queued) std::erase(queued_, &client);
  std::erase(drained_, &client);
  std::erase_if(fallen_, [&](const Sub* sub) { return sub->client == &client; });
}

void Fanout::forget(Audience& audience) {
  if (audience.dirty) std::erase(dirty_, &audience);
  if (audience.touched) std::erase(touched_, &audience);
  if (memo_.log == &audience.log) memo_ = {};
  if (rated_.log == &audience.log) rated_ = {};
}

}  // namespace tocsin::edge
