#include "ops/supervisor/moves/move.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "ops/supervisor/moves/balance.h"

namespace tocsin::ops {
namespace {
constexpr int kStepsPerTick = 8;
}  // namespace

void Move::tick(Instant now) {
  now_ = now;
  if (!since_) since_ = now;
  waits_.clear();
  if (unsaved_ && !save()) return;
  for (int i = 0; i < kStepsPerTick && !tocsin::ops::ended(record_.phase); ++i) {
    if (!step()) break;
    if (!save()) return;
  }
}

bool Move::save() {
  unsaved_ = true;
  const auto saved = port_.persist(record_);
  if (!saved) return wait("the plan cannot be written: " + saved.error().detail);
  unsaved_ = false;
  return true;
}

bool Move::go(Phase to) {
  assert(allowed(record_.phase, to));
  record_.phase = to;
  since_ = now_;
  asking_.clear();
  if (tocsin::ops::ended(to)) record_.ended_ms = port_.wall_ms();
  return true;
}

bool Move::fail(const std::string& reason) {
  record_.outcome = Phase::failed;
  if (record_.reason.empty()) record_.reason = reason;
  return record_.phase == Phase::broker ? go(Phase::failed) : go(Phase::undoing);
}

bool Move::wait(std::string why) {
  if (waits_.empty()) waits_ = std::move(why);
  return false;
}

Status Move::abort(const std::string& reason) {
  if (too_late_to_abort(record_.phase))
    return Error{Errc::conflict, record_.id + (tocsin::ops::ended(record_.phase)
                                                   ? " has ended already"
                                                   : " is in its last step, which cannot be called off")};
  if (record_.outcome != Phase::done) return Done{};
  record_.outcome = Phase::aborted;
  record_.reason = reason;
  unsaved_ = true;
  return Done{};
}

bool Move::step() {
  const bool called_off = record_.outcome != Phase::done && !record_.clearing;
  switch (record_.phase) {
    case Phase::planned:
      return called_off ? go(Phase::undoing) : begin();
    case Phase::starting:
      return called_off ? go(Phase::undoing) : wait_started();
    case Phase::looking:
      return called_off ? go(Phase::undoing) : look();
    case Phase::moving:
      return called_off ? go(Phase::undoing) : run_tasks();
    case Phase::replacing:
      return replace();
    case Phase::reverting:
      return revert();
    case Phase::undoing:
      return undo();
    case Phase::retiring:
      return retire();
    case Phase::broker:
      return restart_broker();
    case Phase::done:
    case Phase::aborted:
    case Phase::failed:
      break;
  }
  return false;
}

bool Move::scales_up() const {
  return record_.order.kind == MoveKind::scale &&
         std::all_of(record_.tasks.begin(), record_.tasks.end(),
                     [](const Task& task) { return !task.drains(); });
}

bool Move::held(const std::string& edge) const {
  return std::find(record_.held.begin(), record_.held.end(), edge) != record_.held.end();
}

bool Move::settled(const EdgeView& edge) const {
  return edge.takes_clients() || (held(edge.id) && edge.ready && edge.heard);
}

bool Move::begin() {
  const Order& order = record_.order;
  const auto cordoned = port_.cordoned();
  record_.held.assign(cordoned.begin(), cordoned.end());
  switch (order.kind) {
    case MoveKind::drain:
      port_.cordon(order.edge, true);
      add_task(order.edge, 0, order.pace);
      return go(Phase::moving);
    case MoveKind::migrate:
      add_task(order.edge, order.count, order.pace);
      return go(Phase::moving);
    case MoveKind::rebalance:
      return go(Phase::looking);
    case MoveKind::scale:
      return begin_scale();
    case MoveKind::restart:
      record_.edges = {kSurgeEdge};
      for (const EdgeView& edge : port_.edges())
        if (edge.id != kSurgeEdge) record_.waiting.push_back(edge.id);
      return go(Phase::starting);
  }
  return false;
}

bool Move::begin_scale() {
  const auto edges = port_.scaled();
  const std::uint64_t wanted = record_.order.count;
  if (edges.size() > wanted) {
    record_.edges.assign(edges.begin() + static_cast<std::ptrdiff_t>(wanted), edges.end());
    for (const std::string& edge : record_.edges) {
      Pace pace = record_.order.pace;
      pace.exclude.insert(pace.exclude.end(), record_.edges.begin(), record_.edges.end());
      std::erase(pace.exclude, edge);
      port_.cordon(edge, true);
      add_task(edge, 0, std::move(pace));
    }
    return go(Phase::moving);
  }
  for (std::uint64_t i = 0; edges.size() + record_.edges.size() < wanted; ++i) {
    const std::string name = port_.name_of(i);
    if (std::find(edges.begin(), edges.end(), name) == edges.end()) record_.edges.push_back(name);
  }
  return go(record_.edges.empty() ? Phase::looking : Phase::starting);
}

bool Move::wait_started() {
  const Release release = record_.order.kind == MoveKind::restart ? record_.order.release : port_.release();
  bool all = true;
  for (const std::string& name : record_.edges) {
    const auto edge = find(name);
    if (!edge || edge->leaving) {
      if (const auto started = port_.start_edge(name, release); !started)
        return fail(name + " cannot be started: " + started.error().detail);
      all = false;
    } else if (!edge->hopeless.empty()) {
      return fail(edge->hopeless);
    } else {
      all = all && edge->takes_clients();
    }
  }
  if (!all) return false;
  return record_.order.kind == MoveKind::restart ? next_edge() : go(Phase::looking);
}

bool Move::look() {
  if (port_.maintenance()) return wait("maintenance is on");
  for (const EdgeView& edge : port_.edges()) {
    if (edge.leaving || !edge.awaited) continue;
    if (!edge.ready || !edge.heard) return wait(edge.id + " does not answer");
    if (edge.heard_at < *since_ + (record_.tasks.empty() ? Millis{0} : kLook)) return false;
  }
  const Balance now = balance(port_.edges());
  if (now.good || now.shifts.empty()) return go(Phase::done);
  const bool first = record_.tasks.empty();
  record_.rounds = first || now.spread < record_.spread ? 0 : record_.rounds + 1;
  record_.spread = now.spread;
  if (record_.rounds >= kRounds) {
    record_.reason = "nothing improved any more";
    return go(Phase::done);
  }
  for (const Shift& shift : now.shifts) {
    Pace pace = record_.order.pace;
    pace.to = {shift.to};
    add_task(shift.from, shift.count, std::move(pace));
  }
  return go(Phase::moving);
}

bool Move::tasks_ended() {
  switch (record_.order.kind) {
    case MoveKind::drain:
    case MoveKind::migrate:
      return go(Phase::done);
    case MoveKind::rebalance:
      return go(Phase::looking);
    case MoveKind::scale:
      return go(scales_up() ? Phase::looking : Phase::retiring);
    case MoveKind::restart:
      if (record_.edge != kSurgeEdge) return go(Phase::replacing);
      record_.edges = {kSurgeEdge};
      return go(Phase::retiring);
  }
  return false;
}

bool Move::retire() {
  bool all = true;
  for (const std::string& name : record_.edges) {
    if (!find(name)) continue;
    port_.retire_edge(name);
    all = false;
  }
  if (!all) return false;
  if (record_.outcome != Phase::done) return go(record_.outcome);
  if (record_.order.kind != MoveKind::restart) return go(Phase::done);
  record_.broker_before = port_.broker().id;
  record_.before = port_.release();
  return go(Phase::broker);
}

bool Move::concerns(const std::string& edge) const {
  const MoveKind kind = record_.order.kind;
  return (kind != MoveKind::drain && kind != MoveKind::migrate) || record_.order.edge == edge;
}

std::optional<EdgeView> Move::find(const std::string& edge) const {
  for (EdgeView& view : port_.edges())
    if (view.id == edge) return std::move(view);
  return std::nullopt;
}

}  // namespace tocsin::ops
