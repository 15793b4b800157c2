// drain plan, drain report, drain abort: looking at moves, and calling them off.
#include <cstdio>

#include "common/http/url.h"
#include "common/json/json.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"
#include "ops/ctl/move_view.h"
#include "ops/ctl/moves.h"
#include "ops/ctl/supervisor_client.h"

namespace tocsin::ops {
namespace {

using Client = SupervisorClient;

std::string text_of(const json::Value& value, std::string_view name) {
  const auto text = json::string_member(value, name);
  return text ? std::string(text->value_or("")) : std::string();
}

std::string number_text(const json::Value& value, std::string_view name) {
  const json::Value* number = json::find(value, name);
  return number != nullptr && number->IsNumber() ? json::text(*number) : "?";
}

/// Of the supervisor's plans the one with this id, else the last that has to do with this edge, else, with
/// nothing asked for, the last. Empty: none.
Result<std::string> pick(Client& client, const std::string& which, bool running) {
  const auto body = client.supervisor("GET", "/plans");
  if (!body) return body.error();
  const auto document = json::parse(*body);
  const json::Value* plans = document ? json::find(*document, "plans") : nullptr;
  if (plans == nullptr || !plans->IsArray())
    return Error{Errc::internal, "the supervisor's answer is no list"};
  std::string found;
  for (const json::Value& plan : plans->GetArray()) {
    if (running && move_ended(plan)) continue;
    const bool fits = which.empty() || text_of(plan, "id") == which || text_of(plan, "edge") == which ||
                      text_of(plan, "at") == which;
    if (fits) found = json::text(plan);
  }
  return found;
}

int print_report(const std::string& text, bool as_json) {
  const auto report = json::parse(text);
  if (!report) return complain(report.error());
  std::puts(as_json ? text.c_str() : move_text(*report).c_str());
  return kExitOk;
}

std::string query_of(const MoveOptions& options, std::uint64_t deadline_ms) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    query += (query.empty() ? "?" : "&") + std::string(name) + "=" + http::percent_encode(value);
  };
  if (options.count > 0) add("count", std::to_string(options.count));
  if (options.rate > 0) add("rate", std::to_string(options.rate));
  if (options.batch > 0) add("batch", std::to_string(options.batch));
  if (deadline_ms > 0) add("deadline_ms", std::to_string(deadline_ms));
  std::string targets;
  for (const std::string& target : options.to) targets += (targets.empty() ? "" : ",") + target;
  if (!targets.empty()) add("targets", targets);
  return query;
}

void print_plan(const std::string& edge, const json::Value& plan) {
  const json::Value* expected = json::find(plan, "expected_ms");
  const double seconds = expected != nullptr && expected->IsNumber() ? expected->GetDouble() / 1000.0 : 0;
  std::printf("%s would give %s clients away, %s/s at first, in about %.1f s\n", edge.c_str(),
              number_text(plan, "clients").c_str(), number_text(plan, "rate_per_s").c_str(), seconds);
  const json::Value* targets = json::find(plan, "targets");
  if (targets == nullptr || !targets->IsArray()) return;
  for (const json::Value& target : targets->GetArray()) {
    const json::Value* share = json::find(target, "share");
    const double part = share != nullptr && share->IsNumber() ? share->GetDouble() : 0;
    std::printf("  %-12s %3.0f %%   weight %s, load %s of 1000, takes %s/s\n",
                text_of(target, "edge").c_str(), part * 100, number_text(target, "weight").c_str(),
                number_text(target, "load").c_str(), number_text(target, "take_per_s").c_str());
  }
}

}  // namespace

int run_drain_plan(const MoveOptions& options) {
  auto client = Client::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  const auto edge = (*client)->find_edge(options.edge);
  if (!edge) return complain_move(edge.error());
  std::uint64_t deadline_ms = 0;
  if (!options.deadline.empty()) {
    const auto deadline = parse_duration(options.deadline);
    if (!deadline) return complain("--deadline " + deadline.error().detail, kExitUsage);
    deadline_ms = static_cast<std::uint64_t>(deadline->count());
  }
  for (const std::string& target : options.to)
    if (const auto known = (*client)->find_edge(target); !known) return complain_move(known.error());
  const auto answer = (*client)->edge(*edge, "GET", "/admin/plan" + query_of(options, deadline_ms));
  if (!answer) return complain_move(answer.error());
  const auto plan = json::parse(*answer);
  if (!plan) return complain(plan.error());
  if (options.json)
    std::puts(answer->c_str());
  else
    print_plan(edge->id, *plan);
  return kExitOk;
}

int run_drain_report(const MoveOptions& options) {
  auto client = Client::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  const auto plan = pick(**client, options.edge, false);
  if (plan && !plan->empty()) return print_report(*plan, options.json);
  // Without a supervisor, or without a plan of its own: an edge knows its last drain itself.
  const auto edge = (*client)->find_edge(options.edge);
  if (edge) {
    const auto report = (*client)->edge(*edge, "GET", "/admin/report");
    if (report) return print_report(*report, options.json);
    if (plan) return complain_move(report.error());
  }
  if (!plan) return complain_move(plan.error());
  return complain(options.edge.empty()
                      ? "there was no drain, migration or other move yet"
                      : "there is no plan \"" + options.edge + "\", and no edge of that name",
                  kExitNotFound);
}

int run_drain_abort(const MoveOptions& options) {
  auto client = Client::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  const auto plan = pick(**client, options.edge, true);
  if (plan && !plan->empty()) {
    const auto running = json::parse(*plan);
    if (!running) return complain(running.error());
    const auto answer = (*client)->supervisor("POST", "/plans/" + text_of(*running, "id") + "/abort");
    if (!answer) return complain_move(answer.error());
    if (options.json)
      std::puts(answer->c_str());
    else
      std::printf("%s is called off, plan %s; clients that have moved stay where they are\n",
                  move_name(*running).c_str(), text_of(*running, "id").c_str());
    return kExitOk;
  }
  const auto edge = (*client)->find_edge(options.edge);
  if (edge) {  // a drain that did not come from the supervisor
    const auto answer = (*client)->edge(*edge, "POST", "/admin/abort", "{}");
    if (!answer) return complain_move(answer.error());
    std::puts(options.json ? answer->c_str() : (edge->id + ": called off").c_str());
    return kExitOk;
  }
  if (!plan) return complain_move(plan.error());
  return complain(options.edge.empty()
                      ? "nothing is under way that could be called off"
                      : "no plan \"" + options.edge + "\" is under way, and there is no edge of that name",
                  kExitNotFound);
}

}  // namespace tocsin::ops
