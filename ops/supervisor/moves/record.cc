#include "ops/supervisor/moves/record.h"

#include <algorithm>

#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

std::int64_t whole(std::uint64_t number) { return static_cast<std::int64_t>(number); }

std::string json_of(const Task& task) {
  std::string out;
  Members members(out);
  members.number("number", whole(task.number)).text("edge", task.edge).number("count", whole(task.count));
  members.texts("targets", task.pace.to).texts("exclude", task.pace.exclude);
  members.number("batch", whole(task.pace.batch)).number("rate", whole(task.pace.rate));
  members.number("deadline_ms", whole(task.pace.deadline_ms));
  members.flag("ended", task.ended).text("error", task.error);
  if (!task.report.state.empty()) members.raw("report", task.report.to_json());
  members.end();
  return out;
}

Error broken(std::string_view member) {
  return {Errc::invalid_argument, std::string(member) + " is missing or of a wrong type"};
}

/// Reads members; the first that is wrong is kept.
class Reader {
 public:
  explicit Reader(const json::Value& object) : object_(object) {}

  std::string text(std::string_view name) {
    const auto member = json::string_member(object_, name);
    if (!member) return wrong(name), std::string();
    return std::string(member->value_or(""));
  }
  std::uint64_t number(std::string_view name) {
    const auto member = json::uint_member(object_, name);
    if (!member) return wrong(name), std::uint64_t{0};
    return member->value_or(0);
  }
  bool flag(std::string_view name) {
    const auto member = json::bool_member(object_, name);
    if (!member) return wrong(name), false;
    return member->value_or(false);
  }
  Phase phase(std::string_view name) {
    const auto known = phase_named(text(name));
    if (!known) wrong(name);
    return known.value_or(Phase::failed);
  }
  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> out;
    const json::Value* list = json::find(object_, name);
    if (list == nullptr) return out;
    if (!list->IsArray()) return wrong(name), out;
    for (const json::Value& item : list->GetArray()) {
      if (!item.IsString()) return wrong(name), out;
      out.emplace_back(json::view(item));
    }
    return out;
  }
  void wrong(std::string_view name) {
    if (wrong_.empty()) wrong_ = name;
  }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  const json::Value& object_;
  std::string wrong_;
};

Result<Task> task_of(const json::Value& value) {
  Reader reader(value);
  Task task;
  task.number = reader.number("number");
  task.edge = reader.text("edge");
  task.count = reader.number("count");
  task.ended = reader.flag("ended");
  task.error = reader.text("error");
  if (!reader.wrong().empty() || task.edge.empty()) return broken("a task");
  auto pace = parse_pace(value);
  if (!pace) return pace.error();
  task.pace = *std::move(pace);
  if (const json::Value* report = json::find(value, "report"); report != nullptr) {
    auto parsed = EdgeReport::parse(*report);
    if (!parsed) return parsed.error();
    task.report = *std::move(parsed);
  }
  return task;
}

}  // namespace

std::string Record::to_json() const {
  std::string out;
  Members members(out);
  members.text("id", id).raw("order", order.to_json()).text("phase", to_text(phase));
  members.text("outcome", to_text(outcome)).text("reason", reason);
  std::string list = "[";
  for (const Task& task : tasks) list += (list == "[" ? "" : ",") + json_of(task);
  members.raw("tasks", list + "]");
  members.texts("edges", edges).texts("held", held).texts("waiting", waiting).text("edge", edge);
  members.raw("before", before.to_json()).flag("clearing", clearing);
  members.number("broker_pid", broker_before.pid).number("broker_start", whole(broker_before.start));
  members.number("spread", whole(spread)).number("rounds", whole(rounds));
  members.number("started_ms", started_ms).number("ended_ms", ended_ms).end();
  return out + "\n";
}

Result<Record> Record::parse(std::string_view text) {
  auto document = json::parse(text);
  if (!document) return document.error();
  const json::Value& root = *document;
  const json::Value* order = json::find(root, "order");
  const json::Value* tasks = json::find(root, "tasks");
  const json::Value* before = json::find(root, "before");
  if (order == nullptr || tasks == nullptr || !tasks->IsArray() || before == nullptr)
    return broken("order, tasks or before");
  Record record;
  auto parsed = Order::parse(*order);
  if (!parsed) return parsed.error();
  record.order = *std::move(parsed);
  auto release = Release::parse(*before);
  if (!release) return release.error();
  record.before = *std::move(release);
  for (const json::Value& item : tasks->GetArray()) {
    auto task = task_of(item);
    if (!task) return task.error();
    record.tasks.push_back(*std::move(task));
  }
  Reader reader(root);
  record.id = reader.text("id");
  record.phase = reader.phase("phase");
  record.outcome = reader.phase("outcome");
  record.reason = reader.text("reason");
  record.edges = reader.texts("edges");
  record.held = reader.texts("held");
  record.waiting = reader.texts("waiting");
  record.edge = reader.text("edge");
  record.clearing = reader.flag("clearing");
  record.broker_before = {static_cast<pid_t>(reader.number("broker_pid")), reader.number("broker_start")};
  record.spread = reader.number("spread");
  record.rounds = reader.number("rounds");
  record.started_ms = static_cast<std::int64_t>(reader.number("started_ms"));
  record.ended_ms = static_cast<std::int64_t>(reader.number("ended_ms"));
  if (!reader.wrong().empty()) return broken(reader.wrong());
  if (record.id.empty()) return broken("id");
  return record;
}

std::string Record::state(std::string_view waits) const {
  if (phase == Phase::done) {
    const bool late = std::any_of(tasks.begin(), tasks.end(),
                                  [](const Task& task) { return task.report.state == "deadline"; });
    return late && (order.kind == MoveKind::drain || order.kind == MoveKind::migrate) ? "deadline" : "done";
  }
  if (ended(phase)) return std::string(to_text(phase));
  if (outcome != Phase::done) return "aborting";
  const bool paused = std::any_of(tasks.begin(), tasks.end(), [](const Task& task) {
    return !task.ended && task.report.state == "paused";
  });
  return paused || !waits.empty() ? "paused" : "running";
}

std::string Record::report_json(std::string_view waits, std::int64_t now_ms) const {
  EdgeReport sum;
  for (const Task& task : tasks) sum.add(task.report);
  const bool single = order.kind == MoveKind::drain || order.kind == MoveKind::migrate;
  sum.id = id;
  sum.kind = to_text(order.kind);
  sum.edge = order.edge;
  sum.state = state(waits);
  sum.started_ms = static_cast<std::uint64_t>(started_ms);
  // What an edge measured itself has no waiting for the next look in it.
  if (!single || sum.elapsed_ms == 0)
    sum.elapsed_ms = static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, (ended_ms > 0 ? ended_ms : now_ms) - started_ms));
  if (ended(phase)) sum.paused_reason.clear();
  std::string out = sum.to_json();
  out.pop_back();
  std::string more;
  Members members(more);
  members.text("phase", to_text(phase)).text("reason", reason).text("waits", waits).text("at", edge);
  members.texts("edges", edges).number("ended_ms", ended_ms).raw("order", order.to_json());
  std::string list = "[";
  for (const Task& task : tasks) {
    if (task.report.state.empty()) continue;
    list += (list == "[" ? "" : ",") + task.report.to_json();
  }
  members.raw("reports", list + "]").end();
  return out + "," + more.substr(1);
}

}  // namespace tocsin::ops
