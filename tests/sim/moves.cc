#include "tests/sim/moves.h"

#include <algorithm>
#include <utility>

#include "edge/drain/report.h"

namespace tocsin::sim {
namespace {
constexpr std::int64_t kSayAgainMs = 700;
}  // namespace

void Moves::schedule(const std::vector<PlannedMove>& moves) {
  for (std::size_t i = 0; i < moves.size(); ++i)
    world_.after(moves[i].at, [this, move = moves[i], id = "move-" + std::to_string(i)] { begin(move, id); });
}

void Moves::begin(const PlannedMove& move, const std::string& id) {
  if (healed_) return;
  const auto later = [this](std::int64_t ms, World::Event event) {
    if (ms < 0) return;
    world_.after(ms, [this, event = std::move(event)] {
      if (!healed_) event();
    });
  };
  told_.push_back({id, {}, false});
  later(move.source_dies_after, [this, move] { kill(move.edge, "its source"); });
  later(move.target_dies_after, [this, move] { kill(move.target, "its target"); });
  if (move.how == PlannedMove::How::terminate) {
    recorder_.remark("SIGTERM to edge " + std::to_string(move.edge));
    edges_[move.edge]->terminate(move.deadline_ms, 500, [this, edge = move.edge] { note(edge); });
    return;
  }
  recorder_.remark(id + " of edge " + std::to_string(move.edge) + " is ordered");
  const std::int64_t life = move.asker_dies_after < 0 ? 1'000'000 : move.asker_dies_after;
  say(move, id, world_.now() + life);
  later(move.abort_after, [this, move] {
    recorder_.remark("it is aborted");
    aborted_ = true;
    if (edge::Drain* drain = edges_[move.edge]->drain()) (void)drain->abort();
  });
}

/// An order is said again until it is seen to be over: it may have gone to an edge that died.
void Moves::say(const PlannedMove& move, const std::string& id, std::int64_t until) {
  if (healed_ || world_.now() > until) return;
  if (edge::Drain* drain = edges_[move.edge]->drain()) {
    const edge::MoveReport* report = drain->report();
    if (report != nullptr && report->id == id && edge::over(report->state)) return;
    edge::MoveOrder order;
    order.kind = move.how == PlannedMove::How::drain ? edge::MoveKind::drain : edge::MoveKind::migrate;
    order.id = id;
    order.deadline = Millis{move.deadline_ms};
    order.count = move.count;
    (void)drain->start(std::move(order));  // refused while a move of another kind runs
  }
  world_.after(kSayAgainMs, [this, move, id, until] { say(move, id, until); });
}

void Moves::kill(std::size_t edge, const char* what) {
  recorder_.remark(std::string(what) + " dies");
  edges_[edge]->kill();
  world_.after(1'000, [this, edge] { edges_[edge]->start(); });
}

void Moves::note(std::size_t edge) {
  edge::Drain* drain = edges_[edge]->drain();
  const edge::MoveReport* report = drain != nullptr ? drain->report() : nullptr;
  if (report == nullptr || !edge::over(report->state)) return;
  for (Told& told : told_) {
    if (!report->id.empty() && told.id != report->id) continue;
    told.text = edge::report_json(*report);
    told.whole = report->state == edge::MoveState::done && report->migrated == report->planned &&
                 report->remaining + report->closed + report->lost + report->left == 0;
  }
}

bool Moves::over() {
  bool none = true;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (edges_[i]->leaving()) none = false;
    edge::Drain* drain = edges_[i]->drain();
    if (drain == nullptr) continue;
    note(i);
    if (drain->running())
      none = false;
    else if (drain->state() > edge::EdgeState::ready)
      (void)drain->uncordon();
  }
  return none;
}

std::string Moves::complaint() const {
  if (aborted_) return {};
  for (const Told& told : told_)
    if (!told.whole) return told.id + " did not bring everyone elsewhere: " + told.text;
  return {};
}

}  // namespace tocsin::sim
