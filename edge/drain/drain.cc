// Orders and facts, and what sessions tell; how a move runs is in drain_run.cc.
#include "edge/drain/drain.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

/// What a move takes beside the offers: the first ping, the last client's way.
constexpr Millis kMargin{500};
constexpr Millis kByeWait{2'000};
/// Offers of a drain are to be out in this much of its time if the targets allow it.
constexpr double kPartOfDeadline = 0.7;

std::string_view word(MoveKind kind) noexcept { return kind == MoveKind::drain ? "drain" : "migration"; }

}  // namespace

Drain::Drain(const Config& config, const Clock& clock, BrokerPort& broker, Metrics& metrics)
    : config_(config),
      clock_(clock),
      broker_(broker),
      metrics_(metrics),
      ticked_(clock.steady()),
      self_(std::make_shared<Drain*>(this)) {}

Drain::~Drain() = default;

bool Drain::transition(EdgeEvent event) {
  const auto to = tocsin::edge::next(state_, event);
  if (!to) return false;
  log::info("state", {{"from", name_of(state_)}, {"to", name_of(*to)}});
  state_ = *to;
  metrics_.state.set(static_cast<std::int64_t>(state_));
  return true;
}

Status Drain::cordon() {
  if (state_ == EdgeState::stopping) return Error{Errc::conflict, "the edge is stopping"};
  if (transition(EdgeEvent::cordon)) cordoned_at_ = clock_.steady();
  return Done{};
}

Status Drain::uncordon() {
  if (state_ == EdgeState::stopping) return Error{Errc::conflict, "the edge is stopping"};
  if (move_ && move_->order.kind == MoveKind::drain) return abort();
  if (transition(EdgeEvent::release)) strays_.clear();
  return Done{};
}

Millis Drain::deadline_of(const MoveOrder& order) const {
  return order.deadline > Millis{0} ? order.deadline : config_.drain_deadline;
}

Pacer::Settings Drain::pacer_settings(std::size_t clients, Millis deadline) const {
  const double seconds = std::chrono::duration<double>(deadline).count() * kPartOfDeadline;
  return {static_cast<double>(config_.drain_start_per_s), static_cast<double>(config_.drain_step_per_s),
          static_cast<double>(clients) / seconds};
}

Status Drain::check_names(const MoveOrder& order) const {
  const auto& edges = broker_.edges();
  if (edges.empty()) return Done{};  // nobody is known yet: the move waits
  for (const auto& name : order.targets) {
    if (name == config_.id) return Error{Errc::invalid_argument, "\"targets\" names this edge itself"};
    const bool known =
        std::any_of(edges.begin(), edges.end(), [&name](const auto& edge) { return edge.id == name; });
    if (!known) return Error{Errc::not_found, "there is no edge \"" + name + "\""};
  }
  return Done{};
}

Status Drain::start(MoveOrder order) {
  if (state_ == EdgeState::stopping) return Error{Errc::conflict, "the edge is stopping"};
  if (move_ && move_->order.kind != order.kind)
    return Error{Errc::conflict, "a " + std::string(word(move_->order.kind)) + " runs"};
  if (!move_ && report_ && !order.id.empty() && report_->id == order.id) return Done{};
  if (move_ && order.targets.empty() && order.exclude.empty()) return Done{};
  if (auto known = check_names(order); !known) return known;
  if (move_) {  // the one who knows more about the targets may come second
    move_->pacer.aim(std::move(order.targets), std::move(order.exclude));
    return Done{};
  }
  order.deadline = deadline_of(order);
  const Instant now = clock_.steady();
  const std::size_t here = clients_->all().size();
  const std::size_t wanted = order.kind == MoveKind::drain ? here : std::min(order.count, here);
  if (order.kind == MoveKind::drain) (void)cordon();
  move_ = std::make_unique<Move>(config_.id, order, pacer_settings(wanted, order.deadline));
  Move& move = *move_;
  move.pacer.observe(broker_.edges(), now);
  move.started = move.length_from = now;
  move.deadline = now + order.deadline;
  move.begin_at = now + (order.kind == MoveKind::drain && here > 0 ? settle_left() : Millis{0});
  report_.emplace();
  report_->id = order.id;
  report_->kind = order.kind;
  report_->edge = config_.id;
  report_->started_ms = clock_.wall_ms();
  report_->planned = wanted;
  if (wanted > 0) plan_time();
  log::info("a move begins", {{"kind", word(order.kind)}, {"id", order.id}, {"clients", wanted}});
  if (wanted == 0) run();
  return Done{};
}

/// How long the move is thought to take; again once there are targets, if there were none.
void Drain::plan_time() {
  Move& move = *move_;
  const Instant from = std::max(move.begin_at, clock_.steady());
  const Millis length = move.deadline - move.started;
  move.timed = !move.pacer.targets().empty();
  report_->planned_time =
      std::min(length, (from - move.started) + kMargin + move.pacer.expected(report_->planned, length));
}

Status Drain::abort() {
  if (!move_) return Error{Errc::conflict, "nothing is moved"};
  end(MoveState::aborted);
  return Done{};
}

void Drain::hasten(Millis time) {
  if (!move_) return;
  const Instant now = clock_.steady();
  if (now + time >= move_->deadline) return;
  move_->deadline = now + time;
  move_->length_from = now;
}

void Drain::stop() {
  if (move_) end(MoveState::aborted);
  (void)transition(EdgeEvent::stop);
}

Result<Drain::Plan> Drain::plan(const MoveOrder& order) const {
  if (auto known = check_names(order); !known) return known.error();
  const std::size_t here = clients_->all().size();
  Plan out;
  out.clients = order.count > 0 ? std::min(order.count, here) : here;
  const Millis deadline = deadline_of(order);
  Pacer pacer(config_.id, order, pacer_settings(out.clients, deadline));
  pacer.observe(broker_.edges(), clock_.steady());
  if (pacer.targets().empty()) return Error{Errc::unavailable, "no other edge takes clients"};
  out.rate = pacer.rate();
  out.expected = out.clients == 0 ? Millis{0}
                                  : std::min(deadline, pacer.expected(out.clients, deadline) + kMargin +
                                                           (order.count > 0 ? Millis{0} : settle_left()));
  out.targets = pacer.targets();
  return out;
}

/// What is left of the time that load balancers have to see the cordon; all of it when there is none yet.
Millis Drain::settle_left() const {
  if (state_ == EdgeState::starting || state_ == EdgeState::ready) return config_.drain_lb_settle;
  return std::max(Millis{0}, cordoned_at_ + config_.drain_lb_settle - clock_.steady());
}

bool Drain::refusing() const {
  return state_ >= EdgeState::cordoned && clock_.steady() >= cordoned_at_ + config_.drain_lb_settle;
}

bool Drain::has_target() const {
  Pacer pacer(config_.id, {}, {});
  pacer.observe(broker_.edges(), clock_.steady());
  return broker_.ready() && !pacer.targets().empty();
}

const MoveReport* Drain::report() {
  if (!report_) return nullptr;
  if (move_) count();
  return &*report_;
}

Drain::Moving* Drain::find(const std::string& session) {
  const auto it = moving_.find(session);
  return it == moving_.end() ? nullptr : &it->second;
}

// ---- what sessions tell

void Drain::opened(ClientRef client) {
  if (state_ < EdgeState::cordoned || state_ == EdgeState::stopping) return;
  if (!move_ || !move_->begun || move_->order.kind != MoveKind::drain) return strays_.push_back(client);
  move_->early.push_back(client);
  ++report_->planned;
}

void Drain::gone(ClientRef client, const std::string& session) {
  Moving* moving = session.empty() ? nullptr : find(session);
  if (moving == nullptr || moving->client.serial != client.serial) return;
  moving->open = false;
  if (moving->closed_at == Instant{}) moving->closed_at = clock_.steady();
  if (moving->step == Step::claimed) {
    if (moving->told) drop(session);
  } else if (moving->step != Step::offered) {
    if (move_) ++report_->left;
    drop(session);
  }
}

void Drain::bye(const std::string& session, std::uint64_t duplicates) {
  Moving* moving = find(session);
  if (moving == nullptr) return;
  if (report_) report_->duplicates += duplicates;
  if (moving->step == Step::claimed) return;
  moving->bye = true;  // the broker's word that it is elsewhere may be on its way
  lapsing_.push_back({session, clock_.steady() + kByeWait});
}

bool Drain::claimed(const std::string& session) {
  Moving* moving = find(session);
  if (moving == nullptr || moving->step == Step::claimed) return moving != nullptr;
  const bool was_offered = moving->step == Step::offered;
  if (was_offered && moving->open && move_)
    move_->pacer.arrived(moving->target, clock_.steady() - moving->since);
  seen_elsewhere(*moving);
  const Instant now = clock_.steady();
  claimed_.push_back({session, now + config_.drain_bye_wait});
  untold_.push_back({session, now + config_.drain_bye_wait + kUntold});
  return was_offered;
}

void Drain::seen_elsewhere(Moving& moving) {
  const Instant now = clock_.steady();
  moving.step = Step::claimed;
  if (!report_) return;
  ++report_->migrated;
  metrics_.moved[Metrics::Moved::migrated].add();
  // Who said bye on the old socket was on the new one by then, whenever the broker's word came.
  report_->blackouts.add(moving.open || moving.bye ? Millis{0} : now - moving.closed_at);
  if (now - second_ >= Millis{1'000}) {
    second_ = now;
    seen_in_second_ = 0;
  }
  report_->peak_per_s = std::max(report_->peak_per_s, ++seen_in_second_);
}

void Drain::moved(const link::SessionMoved& moved) {
  Moving* moving = find(moved.id);
  if (moving == nullptr || moving->told || !report_) return;
  moving->told = true;
  const auto outcome = moved.outcome == "resumed"    ? Metrics::Moved::resumed
                       : moved.outcome == "snapshot" ? Metrics::Moved::snapshot
                                                     : Metrics::Moved::lost;
  metrics_.moved[outcome].add();
  ++(outcome == Metrics::Moved::resumed    ? report_->resumed
     : outcome == Metrics::Moved::snapshot ? report_->resumed_snapshot
                                           : report_->lost);
  ++report_->targets[moved.by.empty() ? moving->target : moved.by];
  if (moving->step == Step::claimed && !moving->open) drop(moved.id);
}

void Drain::returned(const std::string& session) {
  Moving* moving = find(session);
  if (moving == nullptr || moving->step == Step::claimed) return;
  if (report_) ++report_->returned;
  metrics_.moved[Metrics::Moved::returned].add();
  drop(session);
}

void Drain::drop(const std::string& session) { moving_.erase(session); }

}  // namespace tocsin::edge
