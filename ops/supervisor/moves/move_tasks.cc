// The part of Move that talks to edges: their orders, and calling them off.
#include <algorithm>

#include "ops/cluster/members.h"
#include "ops/supervisor/moves/move.h"

namespace tocsin::ops {
namespace {

std::string body_of(const Task& task, const std::string& id) {
  std::string out;
  Members members(out);
  members.text("id", id);
  if (!task.drains()) members.number("count", static_cast<std::int64_t>(task.count));
  if (task.pace.deadline_ms > 0)
    members.number("deadline_ms", static_cast<std::int64_t>(task.pace.deadline_ms));
  if (task.pace.rate > 0) members.number("rate", static_cast<std::int64_t>(task.pace.rate));
  if (task.pace.batch > 0) members.number("batch", static_cast<std::int64_t>(task.pace.batch));
  members.texts("targets", task.pace.to).texts("exclude", task.pace.exclude).end();
  return out;
}

/// Asking again would get the same answer.
bool final(Errc code) {
  // Not not_found: an edge that has just started is not known to all others yet.
  return code == Errc::invalid_argument || code == Errc::unauthorized || code == Errc::forbidden ||
         code == Errc::method_not_allowed;
}

}  // namespace

std::vector<std::string> Move::older_targets(const std::string& edge, const Pace& pace) const {
  const auto from = find(edge);
  std::vector<std::string> older;
  for (const EdgeView& view : port_.edges()) {
    const bool excluded = std::find(pace.exclude.begin(), pace.exclude.end(), view.id) != pace.exclude.end();
    if (!from || view.id == edge || excluded || !view.takes_clients()) continue;
    if (view.release.revision >= from->release.revision) return {};
    older.push_back(view.id);
  }
  return older;
}

std::vector<std::string> Move::newest_targets(const std::string& edge, const Pace& pace) const {
  std::vector<std::string> newest;
  std::uint64_t revision = 0;
  for (const EdgeView& view : port_.edges()) {
    const bool excluded = std::find(pace.exclude.begin(), pace.exclude.end(), view.id) != pace.exclude.end();
    if (view.id == edge || excluded || !view.takes_clients()) continue;
    if (view.release.revision > revision) newest.clear();
    revision = std::max(revision, view.release.revision);
    if (view.release.revision == revision) newest.push_back(view.id);
  }
  return newest;
}

void Move::add_task(const std::string& edge, std::uint64_t count, Pace pace) {
  // After a restart that was called off there may be nobody else: an edge goes to older ones only when told
  // to.
  if (pace.to.empty())
    pace.to = port_.edges_know_revisions() ? older_targets(edge, pace) : newest_targets(edge, pace);
  Task task;
  task.number = record_.tasks.size() + 1;
  task.edge = edge;
  task.count = count;
  task.pace = std::move(pace);
  record_.tasks.push_back(std::move(task));
}

bool Move::run_tasks() {
  bool all = true;
  for (Task& task : record_.tasks) {
    if (task.ended) continue;
    run(task);
    if (task.ended) unsaved_ = true;
    all = all && task.ended;
  }
  if (!all) {
    if (unsaved_) static_cast<void>(save());
    return false;
  }
  for (const Task& task : record_.tasks) {
    if (record_.clearing) break;  // it ends as it must, whatever became of its clients
    if (!task.error.empty()) return fail(task.edge + ": " + task.error);
    if (task.report.state != "aborted") continue;
    record_.outcome = Phase::aborted;
    record_.reason = "it was called off at " + task.edge;
    return go(Phase::undoing);
  }
  return tasks_ended();
}

void Move::run(Task& task) {
  const auto edge = find(task.edge);
  if (!edge) {
    // Who is to be stopped anyway may have been stopped by somebody else (an autoscaler); it drained then.
    const bool no_matter = record_.order.kind == MoveKind::scale && task.drains();
    task.ended = true;
    if (!no_matter) task.error = "the edge is not there any more";
    return;
  }
  if (!edge->ready || !edge->heard) {
    static_cast<void>(wait(task.edge + " does not answer"));
    return;
  }
  if (edge->report && edge->report->id == record_.task_id(task)) {
    task.report = *edge->report;
    task.ended = task.report.ended();
    if (task.report.state == "paused")
      static_cast<void>(wait(task.edge + ": " +
                             (task.report.paused_reason.empty() ? "paused" : task.report.paused_reason)));
    return;
  }
  ask(task, *edge);
}

bool Move::may_ask(const std::string& key) {
  Asking& asking = asking_[key];
  if (asking.open || (asking.at && now_ - *asking.at < kAskAgain)) return false;
  asking.at = now_;
  return true;
}

void Move::post(const std::string& key, const std::string& edge, const std::string& what,
                const std::string& body, std::function<void(const Error&)> refused) {
  asking_[key].open = true;
  port_.post(
      edge, what, body,
      [this, alive = std::weak_ptr<bool>(alive_), key, refused = std::move(refused)](const Status& answer) {
        if (alive.expired()) return;
        asking_[key].open = false;
        if (!answer) refused(answer.error());
      });
}

void Move::ask(Task& task, const EdgeView& edge) {
  // Edges hear of one that has just started from the broker, a second or two later. A drain that begins
  // before would pause, and plan for no target at all.
  const auto seen = [&](const std::string& target) { return edge.sees.contains(target); };
  const bool known =
      task.pace.to.empty() ? !edge.sees.empty() : std::any_of(task.pace.to.begin(), task.pace.to.end(), seen);
  if (!known && now_ - *since_ < kTargetSeen) return;
  const std::string key = record_.task_id(task);
  if (const std::string& said = asking_[key].said; !said.empty())
    static_cast<void>(wait(task.edge + ": " + said));
  if (!may_ask(key)) return;
  const std::uint64_t number = task.number;
  post(key, task.edge, task.drains() ? "drain" : "migrate", body_of(task, key),
       [this, key, number](const Error& error) {
         asking_[key].said = error.detail;
         for (Task& refused : record_.tasks) {
           if (refused.number != number || refused.ended || !final(error.code)) continue;
           refused.error = error.detail;
           refused.ended = true;
           unsaved_ = true;
         }
       });
}

bool Move::call_off(Task& task) {
  const auto edge = find(task.edge);
  if (!edge) return true;
  const std::string id = record_.task_id(task);
  if (!edge->ready || !edge->heard) {
    // One that is dead has forgotten its orders; one that hangs gets a while.
    static_cast<void>(wait(task.edge + " does not answer"));
    return now_ - *since_ >= kUndoPatience;
  }
  const bool ours = edge->report && edge->report->id == id;
  if (ours) task.report = *edge->report;
  if (ours && task.report.ended()) return true;
  // An order may still be on its way to the edge: it is believed not to have any only after a while.
  if (!ours) return now_ - *since_ >= kAskAgain;
  if (may_ask("abort " + task.edge))
    post("abort " + task.edge, task.edge, "abort", "{}", [](const Error&) {});
  return now_ - *since_ >= kUndoPatience;
}

bool Move::undo() {
  // First of all: who is reminded of its cordon while its order is called off would keep it.
  for (const Task& task : record_.tasks)
    if (task.drains() && task.edge != kSurgeEdge && !held(task.edge)) port_.cordon(task.edge, false);
  bool all = true;
  for (Task& task : record_.tasks) {
    if (task.ended) continue;
    task.ended = call_off(task);
    all = all && task.ended;
  }
  if (!all) return false;
  // Who was emptied on purpose takes clients again.
  for (const Task& task : record_.tasks) {
    if (!task.drains() || task.edge == kSurgeEdge || held(task.edge)) continue;
    const auto edge = find(task.edge);
    if (!edge || !edge->ready || !edge->heard || edge->state == "ready") continue;
    if (now_ - *since_ >= kUndoPatience) continue;
    if (may_ask("uncordon " + task.edge))
      post("uncordon " + task.edge, task.edge, "uncordon", "{}", [](const Error&) {});
    all = false;
  }
  return all ? undone() : false;
}

bool Move::undone() {
  const MoveKind kind = record_.order.kind;
  if (kind == MoveKind::restart && find(kSurgeEdge)) {
    record_.clearing = true;
    record_.edges = {kSurgeEdge};
    const auto surge = find(kSurgeEdge);
    // Nobody is on one that never took clients.
    return surge->ready && surge->heard ? empty_surge() : go(Phase::retiring);
  }
  const bool half_started = kind == MoveKind::scale && scales_up() && record_.tasks.empty();
  if (half_started && !record_.edges.empty()) return go(Phase::retiring);
  return go(record_.outcome);
}

}  // namespace tocsin::ops
