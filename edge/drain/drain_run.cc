// A move as it runs: each tick looks at those whose step may be over, then takes as many more as the pacer
// gives leave for.
#include <algorithm>
#include <map>
#include <utility>

#include "common/log/log.h"
#include "edge/drain/drain.h"

namespace tocsin::edge {
namespace {

constexpr Millis kStep{1'000};  // a ping or a record may take this long, then it goes on without
constexpr double kLeastRate = 20;
constexpr std::ptrdiff_t kStagedTogether = 512;  // records in one message

Millis spread(std::size_t index, double rate) {
  return Millis{static_cast<std::int64_t>(1'000.0 * static_cast<double>(index) / std::max(rate, 1.0))};
}

}  // namespace

void Drain::tick() {
  const Instant now = clock_.steady();
  const Millis passed = now - std::exchange(ticked_, now);
  if (state_ == EdgeState::starting && broker_.ready()) (void)transition(EdgeEvent::reached);
  watch_claimed();
  if (!move_) return;
  move_->pacer.observe(broker_.edges(), now);
  if (!broker_.ready()) {  // nobody could be moved by anyone: the time does not count
    move_->deadline += passed;
    move_->length_from += passed;
  }
  if (!move_->timed && !move_->pacer.targets().empty()) plan_time();
  move_->pacer.advance(passed);
  run();
}

void Drain::run() {
  if (!move_->begun && clock_.steady() >= move_->begin_at) begin();
  if (!move_->begun) return;
  if (clock_.steady() >= move_->deadline) return at_deadline();
  if (!paused()) {
    hurry();
    look_at_early();
    pass_on_confirmed();
    pass_on_staged();
    close_due();
    take_more();
  }
  check_end();
}

void Drain::begin() {
  Move& move = *move_;
  move.begun = true;
  std::erase_if(moving_, [](const auto& entry) { return entry.second.step != Step::claimed; });
  lapsing_.clear();
  auto all = clients_->all();
  if (move.order.kind == MoveKind::migrate) {
    std::erase_if(all, [this](ClientRef c) { return clients_->look(c) != MovePort::Kind::session; });
    move.more = std::min(move.order.count, all.size());
    report_->planned = move.more;
    move.waiting = std::move(all);
    return;
  }
  (void)transition(EdgeEvent::move);
  // Those that came while the edge was cordoned are the first to go.
  const auto less = [](ClientRef a, ClientRef b) { return a.serial < b.serial; };
  std::sort(strays_.begin(), strays_.end(), less);
  std::stable_partition(all.begin(), all.end(), [&](ClientRef c) {
    return std::binary_search(strays_.begin(), strays_.end(), c, less);
  });
  strays_.clear();
  move.more = report_->planned = all.size();
  move.waiting = std::move(all);
}

/// True while nothing can go on; why, is in the report.
bool Drain::paused() {
  std::string why;
  if (!broker_.ready())
    why = "the broker is not reached";
  else if (!move_->hurried && move_->pacer.targets().empty())
    why = "no other edge takes clients";
  else if (!move_->hurried && move_->pacer.rate() <= 0)
    why = "the edges that take clients are at their limits";
  const bool waits = !why.empty();
  if (why != report_->paused) log::info(waits ? "the move pauses" : "the move goes on", {{"why", why}});
  report_->paused = std::move(why);
  // In the last fifth of the time it goes on whatever the others say; not without the broker.
  return waits && (!broker_.ready() || !last_fifth());
}

bool Drain::last_fifth() const {
  const Millis length = move_->deadline - move_->length_from;
  return clock_.steady() >= move_->deadline - length / 5;
}

/// The rest is spread over the last fifth: the offers over its first half, the closes over what follows.
void Drain::hurry() {
  Move& move = *move_;
  if (!last_fifth()) return;
  move.hurried = true;
  const double left = std::max(std::chrono::duration<double>(move.deadline - clock_.steady()).count(), 0.1);
  const auto waiting = static_cast<double>(unoffered());
  const auto open = static_cast<double>(move.offered.size());
  move.pacer.hurry(std::max((2 * waiting + open) / left, kLeastRate));
}

void Drain::look_at_early() {
  auto early = std::exchange(move_->early, {});
  for (const ClientRef client : early) {
    switch (clients_->look(client)) {
      case MovePort::Kind::gone:
      case MovePort::Kind::offered:
        ++report_->left;
        break;
      case MovePort::Kind::early:
        if (!move_->hurried || !move_->pacer.take_any())
          move_->early.push_back(client);
        else
          send_away(client, {}, Millis{0});
        break;
      case MovePort::Kind::session:
      case MovePort::Kind::events:
        move_->waiting.insert(move_->waiting.begin() + static_cast<std::ptrdiff_t>(move_->next), client);
        ++move_->more;
        break;
    }
  }
}

void Drain::pass_on_confirmed() {
  const Instant now = clock_.steady();
  std::map<std::string, std::vector<std::string>> ready;
  auto confirming = std::exchange(move_->confirming, {});
  for (auto& session : confirming) {
    Moving* moving = find(session);
    if (moving == nullptr || moving->step != Step::confirming) continue;
    if (!clients_->confirmed(moving->client) && now - moving->since < kStep) {
      move_->confirming.push_back(std::move(session));
      continue;
    }
    moving->step = Step::staging;
    moving->since = now;
    ready[moving->target].push_back(std::move(session));
  }
  for (const auto& [target, sessions] : ready)
    for (auto from = sessions.begin(); from != sessions.end();) {
      const auto to = from + std::min(sessions.end() - from, kStagedTogether);
      stage(target, {from, to});
      from = to;
    }
}

void Drain::stage(const std::string& target, std::vector<std::string> sessions) {
  const Instant until = clock_.steady() + kStep;
  std::vector<link::SessionRecord> records;
  records.reserve(sessions.size());
  for (const auto& session : sessions) {
    records.push_back(clients_->record_for_move(find(session)->client));
    move_->staging.push_back({session, until});
  }
  broker_.stage_sessions(target, std::move(records),
                         [self = std::weak_ptr<Drain*>(self_), target,
                          sessions = std::move(sessions)](const Result<link::StageAnswer>& answer) {
                           if (const auto alive = self.lock()) (*alive)->staged(target, sessions, answer);
                         });
}

void Drain::staged(const std::string& target, const std::vector<std::string>& sessions,
                   const Result<link::StageAnswer>& answer) {
  if (!move_) return;
  if (answer && answer->fault.ok()) return offer(sessions);
  // Who refuses is not sent clients; who only did not answer may be: resuming works without staging.
  if (!answer && answer.error().code == Errc::timeout) return;
  move_->pacer.refused(target);
  const std::size_t taken = answer ? std::min<std::size_t>(answer->accepted, sessions.size()) : 0;
  const auto middle = sessions.begin() + static_cast<std::ptrdiff_t>(taken);
  offer({sessions.begin(), middle});
  for (auto it = middle; it != sessions.end(); ++it) put_back(*it);
}

/// Those whose staging was not answered in time.
void Drain::pass_on_staged() {
  const Instant now = clock_.steady();
  std::map<std::string, std::vector<std::string>> late;
  auto& staging = move_->staging;
  for (; !staging.empty() && staging.front().at <= now; staging.pop_front()) {
    const Moving* moving = find(staging.front().session);
    // It may have been put back and staged again since.
    if (moving != nullptr && moving->step == Step::staging && now - moving->since >= kStep)
      late[moving->target].push_back(staging.front().session);
  }
  for (const auto& [target, sessions] : late) offer(sessions);
}

/// Back to those that wait, as the next.
void Drain::put_back(const std::string& session) {
  const Moving* moving = find(session);
  if (moving == nullptr || moving->step != Step::staging) return;
  move_->early.push_back(moving->client);
  moving_.erase(session);
}

void Drain::offer(const std::vector<std::string>& sessions) {
  Move& move = *move_;
  const Instant now = clock_.steady();
  const Millis left = move.deadline - now;
  std::size_t index = 0;
  for (const auto& session : sessions) {
    Moving* moving = find(session);
    if (moving == nullptr || moving->step != Step::staging) continue;
    const auto* target = move.pacer.find(moving->target);
    if (target == nullptr) {
      put_back(session);
      continue;
    }
    const Millis after = std::min(spread(index++, target->rate), left / 4);
    const Millis patience = std::min(config_.drain_offer, std::max(left / 2, Millis{0}));
    moving->step = Step::offered;
    moving->since = now + after;
    move.offered.push_back({session, now + after + patience});
    ++report_->offered;
    metrics_.moved[Metrics::Moved::offered].add();
    clients_->offer(moving->client, {target->endpoint, after, after + patience});
  }
}

/// Clients that did not follow their offer.
void Drain::close_due() {
  Move& move = *move_;
  const Instant now = clock_.steady();
  const bool late = move.hurried && now >= move.deadline - (move.deadline - move.length_from) / 10;
  std::size_t index = 0;
  while (!move.offered.empty() && (late || move.offered.front().at <= now)) {
    const std::string session = move.offered.front().session;
    const Moving* moving = find(session);
    if (moving != nullptr && moving->step == Step::offered && moving->open && !moving->bye) {
      if (!move.pacer.take_any()) return;
      send_away(moving->client, session, spread(index++, move.pacer.rate()));
    }
    move.offered.pop_front();
  }
}

void Drain::take_more() {
  Move& move = *move_;
  std::size_t index = 0;
  while (move.next < move.waiting.size() && move.more > 0) {
    const ClientRef client = move.waiting[move.next];
    const auto kind = clients_->look(client);
    if (kind == MovePort::Kind::session || kind == MovePort::Kind::events) {
      if (!take_one(client, kind, index)) return;
      ++index;
    } else if (kind == MovePort::Kind::early) {
      move.early.push_back(client);
    } else if (move.order.kind == MoveKind::drain) {
      ++report_->left;
    }
    ++move.next;
    // A migration takes the next one for one that has left.
    if (move.order.kind == MoveKind::drain || kind == MovePort::Kind::session) --move.more;
  }
}

/// False: not now.
bool Drain::take_one(ClientRef client, MovePort::Kind kind, std::size_t index) {
  Move& move = *move_;
  const bool blind = move.pacer.targets().empty();
  if (kind == MovePort::Kind::events || blind) {
    if (!move.pacer.take_any()) return false;
    send_away(client, kind == MovePort::Kind::events ? std::string{} : clients_->session_of(client),
              spread(index, move.pacer.rate()));
    return true;
  }
  const auto* target = move.pacer.take();
  if (target == nullptr) return false;
  const std::string session = clients_->session_of(client);
  Moving& moving = moving_[session];
  moving = Moving{};
  moving.client = client;
  moving.target = target->id;
  moving.since = clock_.steady();
  move.confirming.push_back(session);
  clients_->confirm(client);
  return true;
}

/// `session` empty: nobody waits to see it elsewhere.
void Drain::send_away(ClientRef client, const std::string& session, Millis retry_after) {
  ++report_->closed;
  metrics_.moved[Metrics::Moved::closed].add();
  if (!session.empty()) {
    Moving& moving = moving_[session];
    moving.client = client;
    moving.step = Step::offered;
    moving.closed_at = clock_.steady();
  }
  clients_->send_away(client, retry_after);
}

/// The old sockets of those that are elsewhere, and clients that said bye and are not.
void Drain::watch_claimed() {
  const Instant now = clock_.steady();
  for (; !claimed_.empty() && claimed_.front().at <= now; claimed_.pop_front()) {
    const Moving* moving = find(claimed_.front().session);
    if (moving != nullptr && moving->open) clients_->replace(moving->client);
  }
  for (; !untold_.empty() && untold_.front().at <= now; untold_.pop_front()) {
    const Moving* moving = find(untold_.front().session);
    if (moving == nullptr || moving->step != Step::claimed) continue;
    if (report_ && !moving->told) ++report_->targets[moving->target];
    drop(untold_.front().session);
  }
  std::erase_if(lapsing_, [&](const Due& due) {
    if (due.at > now) return false;
    const Moving* moving = find(due.session);
    if (moving == nullptr || moving->step == Step::claimed) return true;
    if (report_ && moving->bye) ++report_->left;
    drop(due.session);
    return true;
  });
}

std::size_t Drain::unoffered() const {
  const auto on_the_way = std::count_if(moving_.begin(), moving_.end(),
                                        [](const auto& entry) { return entry.second.step < Step::offered; });
  return move_->more + move_->early.size() + static_cast<std::size_t>(on_the_way);
}

std::size_t Drain::unfinished() const {
  const auto unseen = std::count_if(moving_.begin(), moving_.end(),
                                    [](const auto& entry) { return entry.second.step != Step::claimed; });
  if (!move_->begun) return report_->planned;
  return move_->more + move_->early.size() + static_cast<std::size_t>(unseen);
}

void Drain::check_end() {
  Move& move = *move_;
  if (move.order.kind == MoveKind::drain) {
    const bool busy = unoffered() > 0;
    (void)transition(busy ? EdgeEvent::move : EdgeEvent::offered);
  }
  if (move.more > 0 && move.next >= move.waiting.size()) move.more = 0;  // of a migration: nobody is left
  if (unoffered() == 0 && moving_.empty()) end(MoveState::done);
}

/// Whoever is left goes now; those that were closed and not seen elsewhere are what remains.
void Drain::at_deadline() {
  Move& move = *move_;
  const std::size_t remaining = unfinished();
  std::vector<std::pair<std::string, ClientRef>> open;
  for (const auto& [session, moving] : moving_)
    if (moving.step != Step::claimed && moving.open && moving.closed_at == Instant{})
      open.emplace_back(session, moving.client);
  if (move.order.kind == MoveKind::drain) {
    for (std::size_t i = move.next; i < move.waiting.size(); ++i) move.early.push_back(move.waiting[i]);
    for (const ClientRef client : move.early) open.emplace_back(std::string{}, client);
  } else {
    open.clear();  // a migration cuts nobody
  }
  std::size_t index = 0;
  for (const auto& [session, client] : open) {
    const auto kind = clients_->look(client);
    if (kind != MovePort::Kind::gone) send_away(client, session, spread(index++, 200));
  }
  end(remaining > 0 ? MoveState::deadline : MoveState::done);
}

void Drain::end(MoveState state) {
  count();
  const MoveKind kind = move_->order.kind;
  const Instant now = clock_.steady();
  report_->state = state;
  report_->rate = 0;
  report_->paused.clear();
  for (auto it = moving_.begin(); it != moving_.end();) {
    auto& [session, moving] = *it;
    if (moving.step == Step::claimed) {
      ++it;
      continue;
    }
    // An offer that is out may be followed yet.
    const bool may_follow = moving.step == Step::offered && moving.open && moving.closed_at == Instant{};
    if (may_follow) {
      clients_->keep(moving.client);
      lapsing_.push_back({session, now + config_.drain_offer});
      ++it;
    } else {
      it = moving_.erase(it);
    }
  }
  move_.reset();
  metrics_.move_remaining.set(0);
  metrics_.move_rate.set(0);
  if (state == MoveState::aborted) {
    if (kind == MoveKind::drain) (void)transition(EdgeEvent::release);
    strays_.clear();
  } else if (kind == MoveKind::drain) {
    (void)transition(EdgeEvent::settled);
  }
  log::info("a move ended", {{"state", name_of(state)},
                             {"planned", report_->planned},
                             {"migrated", report_->migrated},
                             {"closed", report_->closed},
                             {"remaining", report_->remaining},
                             {"ms", report_->elapsed.count()}});
}

void Drain::count() {
  report_->elapsed = clock_.steady() - move_->started;
  report_->remaining = unfinished();
  report_->rate = move_->begun ? move_->pacer.rate() : 0;
  report_->state = !report_->paused.empty()           ? MoveState::paused
                   : move_->begun && unoffered() == 0 ? MoveState::settling
                                                      : MoveState::running;
  metrics_.move_remaining.set(static_cast<std::int64_t>(report_->remaining));
  metrics_.move_rate.set(static_cast<std::int64_t>(report_->rate));
}

}  // namespace tocsin::edge
