#include "edge/hub/hub.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"
#include "common/log/slow.h"
#include "edge/codec/server_frame.h"

namespace tocsin::edge {
namespace {
constexpr std::uint32_t kMaxFalls = 3;  // off the log without reaching its head between
constexpr unsigned kCountEvery = 10;    // ticks between two looks at every log's size
}  // namespace

Hub::Hub(const Config& config, const Clock& clock, BrokerPort& broker, Outlet& outlet, Metrics& metrics)
    : config_(config),
      clock_(clock),
      broker_(broker),
      metrics_(metrics),
      fanout_(config, clock, outlet, metrics),
      joiner_(config, clock, broker, fanout_, metrics, *this),
      last_tick_(clock.steady()) {}

Hub::~Hub() = default;

Client& Hub::add_client(Socket socket, Encoding encoding) {
  std::uint32_t slot = slots();
  if (free_slots_.empty()) {
    clients_.push_back(nullptr);
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  auto client = std::make_unique<Client>();
  client->socket = socket;
  client->slot = slot;
  client->serial = ++serials_;
  client->encoding = encoding;
  clients_[slot] = std::move(client);
  return *clients_[slot];
}

void Hub::remove_client(Client& client) {
  client.dead = true;
  while (!client.subs.empty()) drop_sub(client, client.subs.size() - 1);
  fanout_.forget(client);
  if (client.changed) std::erase(changed_, &client);
  free_slots_.push_back(client.slot);
  clients_[client.slot].reset();
}

Feed& Hub::feed(const std::string& name) {
  auto& slot = feeds_[name];
  if (!slot) {
    slot = std::make_unique<Feed>(name, ++serials_, static_cast<std::size_t>(config_.recent_max_bytes),
                                  static_cast<std::size_t>(config_.state_max_bytes));
    metrics_.channels.add(1);
    broker_.want(name);
  }
  return *slot;
}

void Hub::expect(const std::string& channel) {
  Feed& expected = feed(channel);
  if (expected.subscriptions == 0) expected.idle_since = clock_.steady();
}

/// The audience for this encoding and filter. A client that subscribes twice to the same gets a second one:
/// `sub` tells its streams apart.
Audience& Hub::audience(Client& client, Feed& feed, Filter filter) {
  const std::string canonical = filter.canonical();
  for (unsigned twin = 0;; ++twin) {
    std::string key = std::string(name_of(client.encoding.door)) + (client.encoding.deflate ? "~" : "") +
                      std::to_string(twin) + canonical;
    const auto it = feed.audiences.find(key);
    const bool taken = it != feed.audiences.end() &&
                       std::any_of(client.subs.begin(), client.subs.end(),
                                   [&](const auto& sub) { return sub->audience == it->second.get(); });
    if (taken) continue;
    if (it != feed.audiences.end()) return *it->second;
    auto made = std::make_unique<Audience>(feed, key, std::move(filter), client.encoding, ++numbers_);
    Audience& audience = *made;
    if (feed.attached) audience.log.reset({feed.epoch, feed.head});
    feed.index.add(audience, audience.filter);
    if (client.encoding.door == Door::proto) ++feed.proto_audiences;
    audience.beacon_slot = feed.beacon_order.size();
    feed.beacon_order.push_back(&audience);
    feed.audiences.emplace(std::move(key), std::move(made));
    metrics_.audiences.add(1);
    return audience;
  }
}

Status Hub::subscribe(Client& client, Subscribe request) {
  if (client.subs.size() >= static_cast<std::size_t>(config_.subscriptions_max))
    return Error{Errc::too_many,
                 "at most " + std::to_string(config_.subscriptions_max) + " subscriptions for one client"};
  for (const auto& sub : client.subs)
    if (sub->id == request.id) return Error{Errc::invalid_argument, "\"id\" is in use by a subscription"};
  Feed& channel = feed(request.channel);
  ++channel.subscriptions;
  metrics_.subscriptions.add(1);
  auto sub = std::make_unique<Sub>();
  sub->client = &client;
  sub->feed = &channel;
  sub->audience = &audience(client, channel, std::move(request.filter));
  sub->id = std::move(request.id);
  sub->serial = ++serials_;
  sub->conflate = request.conflate;
  sub->snapshot = request.snapshot;
  sub->restored = request.restored;
  sub->max_rate = request.max_rate;
  client.rated = client.rated || request.max_rate > 0;
  sub->joining = std::make_unique<Joining>();
  // A position in another view says nothing; nor may the record keep it.
  if (request.revised)
    sub->reason = LostReason::filter_changed;
  else
    sub->joining->since = request.since;
  ++sub->audience->joining;
  Sub& added = *sub;
  // A second subscription takes the first off the fast path.
  for (auto& other : client.subs)
    if (other->mode == Mode::live) member_of(*other).flags |= Member::kGather;
  client.subs.push_back(std::move(sub));
  joiner_.enter(added);
  return Done{};
}

void Hub::revise(Client& client, const Constraints& within) {
  (void)drop_waiting(client);
  std::vector<Subscribe> again;
  for (const auto& sub : client.subs) {
    Subscribe one{sub->id, sub->feed->name, sub->audience->filter, sub->snapshot,
                  {},      sub->conflate,   sub->max_rate};
    one.filter.within = within;
    one.restored = sub->restored;
    one.revised = true;
    again.push_back(std::move(one));
  }
  while (!client.subs.empty()) drop_sub(client, client.subs.size() - 1);
  for (auto& one : again) (void)subscribe(client, std::move(one));  // there was room for as many
}

void Hub::drop_sub(Client& client, std::size_t index) {
  Sub& sub = *client.subs[index];
  Audience& audience = *sub.audience;
  Feed& feed = *sub.feed;
  if (sub.mode == Mode::live) {
    fanout_.unhold(sub);
    leave(audience, sub);
    fanout_.mark(audience);  // its cursor may have been the one that held the log back
  } else {
    joiner_.leave(sub);
  }
  if (sub.ready) std::erase(client.ready, &sub);
  client.subs.erase(client.subs.begin() + static_cast<std::ptrdiff_t>(index));
  metrics_.subscriptions.add(-1);
  if (audience.members.empty() && audience.joining == 0) drop_audience(audience);
  if (--feed.subscriptions == 0) feed.idle_since = clock_.steady();
  if (!client.dead) fanout_.queue(client);
}

void Hub::drop_audience(Audience& audience) {
  Feed& feed = audience.feed;
  fanout_.forget(audience);
  feed.index.remove(audience, audience.filter);
  if (audience.encoding.door == Door::proto) --feed.proto_audiences;
  // Ten thousand clients with filters of their own may leave at once: no search.
  feed.beacon_order[audience.beacon_slot] = feed.beacon_order.back();
  feed.beacon_order[audience.beacon_slot]->beacon_slot = audience.beacon_slot;
  feed.beacon_order.pop_back();
  metrics_.audiences.add(-1);
  feed.audiences.erase(std::string(audience.key));
}

Status Hub::unsubscribe(Client& client, std::string_view id) {
  for (std::size_t i = 0; i < client.subs.size(); ++i) {
    if (client.subs[i]->id != id) continue;
    drop_sub(client, i);
    changed(client);
    return Done{};
  }
  return Error{Errc::not_found, "no subscription has this id"};
}

void Hub::send_last(Client& client, std::string_view json) {
  if (client.dead) return;
  if (client.paused) {  // what waits is no longer for it
    client.tail.reset();
    fanout_.resume(client);
  }
  // A long tail would hold the last word back; between whole frames it may be dropped.
  if (client.tail && client.tail->unsent() > client.max_batch / 2) client.tail.reset();
  fanout_.send(client, json);
  fanout_.flush_tail(client);
  Fanout::kill(client);
}

Feed* Hub::find_feed(const std::string& name, std::uint64_t serial) {
  const auto it = feeds_.find(name);
  return it != feeds_.end() && it->second->serial == serial ? it->second.get() : nullptr;
}

void Hub::fail(Sub& sub, const Error& error) {
  Client& client = *sub.client;
  fanout_.send(client, frame::error(client.encoding.door, error, {sub.id, {}}));
  const auto it = std::find_if(client.subs.begin(), client.subs.end(),
                               [&sub](const auto& other) { return other.get() == &sub; });
  drop_sub(client, static_cast<std::size_t>(it - client.subs.begin()));
  changed(client);
}

void Hub::changed(Client& client) {
  if (client.changed || client.dead) return;
  client.changed = true;
  changed_.push_back(&client);
}

std::vector<Client*> Hub::take_changed() {
  for (Client* client : changed_) client->changed = false;
  return std::exchange(changed_, {});
}

bool Hub::stuck(const Client& client) const {
  const auto now = clock_.steady();
  if (client.overflowed ||
      (client.blocked && !client.dead && now - client.stalled_since >= config_.slow_close))
    return true;
  return std::any_of(client.subs.begin(), client.subs.end(), [&](const auto& sub) {
    return sub->falls > kMaxFalls || (sub->mode == Mode::live && sub->behind_since != Instant{} &&
                                      now - sub->behind_since >= config_.behind_close);
  });
}

// ---- resume records

void Hub::mark_sent(Client& client) {
  if (!client.tail_empty()) return;
  for (auto& sub : client.subs) {
    const bool whole = sub->mode == Mode::live || sub->mode == Mode::catching_up ||
                       sub->mode == Mode::reading || sub->mode == Mode::backfilling;
    if (!sub->announced || !whole) continue;  // a snapshot in pieces confirms nothing
    sub->marked = sub->mode == Mode::live
                      ? Position{sub->feed->epoch, sub->audience->log.position_at(member_of(*sub).cursor)}
                      : sub->position;
  }
}

bool Hub::confirm(Client& client) {
  bool moved = false;
  for (auto& sub : client.subs) {
    const auto marked = std::exchange(sub->marked, {});
    if (marked.epoch == Epoch{} ||
        (marked.epoch == sub->confirmed.epoch && marked.offset <= sub->confirmed.offset))
      continue;
    sub->confirmed = marked;
    moved = true;
  }
  return moved;
}

std::vector<link::SessionSub> Hub::describe(const Client& client) {
  std::vector<link::SessionSub> out;
  out.reserve(client.subs.size());
  for (const auto& sub : client.subs) {
    link::SessionSub s;
    s.id = sub->id;
    s.channel = sub->feed->name;
    Filter own = sub->audience->filter;
    own.within.clear();
    s.filter = own.canonical();
    if (sub->confirmed.epoch != Epoch{})
      s.position = sub->confirmed;
    else if (sub->joining && sub->joining->since && !sub->joining->since->malformed)
      s.position = sub->joining->since->position;
    s.conflate = sub->conflate == Conflate::when_behind;
    s.never_conflate = sub->conflate == Conflate::never;
    s.max_rate = sub->max_rate;
    s.door = name_of(client.encoding.door);
    out.push_back(std::move(s));
  }
  return out;
}

// ---- turns

bool Hub::turn() {
  bool more = fanout_.pass();
  if (arrived_ > 0) measure_pass();
  for (Sub* sub : fanout_.take_fallen()) joiner_.fell_behind(*sub);
  // What the private frames held up goes on, and out in the same turn.
  const auto drained = fanout_.take_drained();
  if (!drained.empty()) {
    for (Client* client : drained)
      if (!client->dead) joiner_.pump(*client);
    more = fanout_.pass() || more;
    for (Sub* sub : fanout_.take_fallen()) joiner_.fell_behind(*sub);
  }
  return more || fanout_.pending();
}

/// What came since the last pass is with the sockets, or with the backlog of who does not take it.
void Hub::measure_pass() {
  const std::int64_t took_us = clock_.steady_us() - arrived_us_;
  log::slow("slow_pass", "updates waited long for the sockets", took_us / 1'000, {"updates", arrived_});
  metrics_.arrival_socket_seconds.observe(static_cast<double>(took_us) / 1e6, std::exchange(arrived_, 0));
  for (auto& span : std::exchange(under_way_, {})) {
    span.end_us = clock_.wall_us();
    tracer_->add(std::move(span));
  }
}

void Hub::tick() {
  const auto now = clock_.steady();
  const double share =
      static_cast<double>((now - last_tick_).count()) / (0.9 * static_cast<double>(config_.beacon.count()));
  last_tick_ = now;
  joiner_.tick();
  if (++ticks_ % kCountEvery == 0) count_members();
  for (auto it = feeds_.begin(); it != feeds_.end();) {
    Feed& feed = *it->second;
    if (feed.subscriptions == 0 && now - feed.idle_since >= config_.cache_linger) {
      broker_.unwant(feed.name);
      metrics_.channels.add(-1);
      it = feeds_.erase(it);
      continue;
    }
    beacon(feed, share);
    ++it;
  }
}

/// The gauges of the queues: how much is held, and how far behind whom.
void Hub::count_members() {
  std::int64_t held = 0, conflated = 0, waiting = 0;
  AudienceLog::Cursor furthest = 0;
  const Member* slowest = nullptr;
  for (const auto& [name, feed] : feeds_)
    for (const Audience* audience : feed->beacon_order) {
      held += static_cast<std::int64_t>(audience->log.size());
      if (audience->log.size() == 0) continue;  // nobody is behind
      for (const Member& member : audience->members) {
        if (const auto far = audience->log.end() - member.cursor; far > furthest)
          furthest = far, slowest = &member;
        if ((member.flags & Member::kHeld) != 0)
          ++waiting;
        else if ((member.flags & Member::kGather) != 0 && member.sub->slow)
          ++conflated;
      }
    }
  std::int64_t private_bytes = 0;
  for (const auto& client : clients_)
    if (client && client->tail) private_bytes += static_cast<std::int64_t>(client->tail->unsent());
  metrics_.log_bytes.set(held);
  metrics_.conflating.set(conflated);
  metrics_.rate_waiting.set(waiting);
  metrics_.behind_bytes.set(static_cast<std::int64_t>(furthest));
  metrics_.private_bytes.set(private_bytes);
  std::size_t frames = 0;
  if (slowest != nullptr) {
    const AudienceLog& log = slowest->sub->audience->log;
    frames = log.frames_between(slowest->cursor, log.end());
  }
  metrics_.queue_updates.set(static_cast<std::int64_t>(frames));
  metrics_.joining.set(static_cast<std::int64_t>(joiner_.size()));
}

/// Each audience once per period, spread evenly over it.
void Hub::beacon(Feed& feed, double share) {
  if (!feed.attached) return;
  feed.beacon_credit = std::min(feed.beacon_credit + share * static_cast<double>(feed.beacon_order.size()),
                                static_cast<double>(feed.beacon_order.size()));
  for (; feed.beacon_credit >= 1; feed.beacon_credit -= 1) {
    feed.beacon_next = feed.beacon_next + 1 < feed.beacon_order.size() ? feed.beacon_next + 1 : 0;
    Audience& audience = *feed.beacon_order[feed.beacon_next];
    if (audience.retain_from != 0 && clock_.steady() >= audience.retain_until) audience.retain_from = 0;
    if (clock_.steady() - audience.snapshot_made >= Millis{5'000}) audience.snapshot.reset();
    audience.log.release();
    if (audience.members.empty()) continue;
    audience.log.skip_to(feed.head);
    audience.log.append_head();
    fanout_.mark(audience);
  }
}

}  // namespace tocsin::edge
