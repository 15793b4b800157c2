#include "ops/supervisor/edge_watch.h"

#include <algorithm>

#include "common/json/json.h"
#include "ops/cluster/problem.h"

namespace tocsin::ops {
namespace {

std::uint64_t number_of(const json::Value& object, std::string_view name, std::uint64_t otherwise) {
  const auto number = json::uint_member(object, name);
  return number ? number->value_or(otherwise) : otherwise;
}

std::string text_of(const json::Value& object, std::string_view name) {
  const auto text = json::string_member(object, name);
  return text ? std::string(text->value_or("")) : std::string();
}

}  // namespace

void EdgeWatch::poll(Millis every) {
  const Instant now = clock_.steady();
  std::map<std::string, Seen> known;
  for (const SupervisedProcess* process : cluster_.processes()) {
    const std::string& name = process->spec().name;
    if (name == "broker") continue;
    Seen& seen = known[name] = seen_[name];
    const pid_t pid = process->id() ? process->id()->pid : 0;
    if (process->state() != SupervisedProcess::State::ready || seen.pid != pid) {
      seen = {};
      seen.pid = pid;
    }
    if (process->state() != SupervisedProcess::State::ready)
      seen.detail = "the process is " + std::string(to_text(process->state()));
  }
  seen_ = std::move(known);
  for (const SupervisedProcess* process : cluster_.processes()) {
    const std::string& name = process->spec().name;
    if (name == "broker" || process->state() != SupervisedProcess::State::ready) continue;
    Asking& asking = asking_[name];
    asking.next = std::min(asking.next, now + every);  // a move may have begun since
    if (asking.open > 0 || now < asking.next) continue;
    asking.next = now + every;
    ask(*process);
  }
}

void EdgeWatch::ask(const SupervisedProcess& process) {
  const std::string name = process.spec().name;
  const pid_t pid = process.id() ? process.id()->pid : 0;
  const std::string base = process.info().http;
  const http::Headers headers{{"authorization", "Bearer " + token_}};
  // The answer of a process that is gone meanwhile is nobody's.
  const auto take = [this, name, pid](auto use) {
    return [this, name, pid, use](Result<http::Response> got) {
      --asking_[name].open;
      const auto seen = seen_.find(name);
      if (seen != seen_.end() && seen->second.pid == pid) use(seen->second, got);
    };
  };
  asking_[name].open += 3;
  client_.get(base + "/health/ready", kPatience, take([](Seen& seen, const Result<http::Response>& got) {
                seen.ready = got && got->status == 200;
                seen.detail = !got ? got.error().detail : seen.ready ? "" : got->body;
              }));
  client_.request("GET", base + "/admin/status", headers, {}, kPatience,
                  take([this, name](Seen& seen, const Result<http::Response>& got) {
                    if (!got || got->status != 200) return;
                    take_status(seen, *got);
                    for (const SupervisedProcess* edge : cluster_.processes())
                      if (edge->spec().name == name) remind(*edge, seen);
                  }));
  client_.request("GET", base + "/admin/report", headers, {}, kPatience,
                  take([](Seen& seen, const Result<http::Response>& got) {
                    if (!got || got->status != 200) return;
                    const auto document = json::parse(got->body);
                    if (!document) return;
                    if (auto report = EdgeReport::parse(*document)) seen.report = *std::move(report);
                  }));
}

void EdgeWatch::take_status(Seen& seen, const http::Response& response) {
  const auto document = json::parse(response.body);
  if (!document || !document->IsObject()) return;
  seen.heard_at = clock_.steady();
  seen.state = text_of(*document, "state");
  seen.revision = text_of(*document, "revision");
  seen.clients = number_of(*document, "clients", 0);
  seen.load = number_of(*document, "load", 0);
  seen.take_per_s = number_of(*document, "take_per_s", 0);
  const std::string self = text_of(*document, "edge");
  const json::Value* edges = json::find(*document, "edges");
  if (edges == nullptr || !edges->IsArray()) return;
  seen.sees.clear();
  for (const json::Value& edge : edges->GetArray()) {
    const std::string id = text_of(edge, "id");
    // One that has not said anything to the broker yet has no weight there either.
    const bool takes = text_of(edge, "state") == "ready" && number_of(edge, "take_per_s", 0) > 0;
    if (!takes) continue;
    if (id == self)
      seen.weight = number_of(edge, "weight", 100);
    else
      seen.sees.insert(id);
  }
}

void EdgeWatch::remind(const SupervisedProcess& process, const Seen& seen) {
  if (seen.state != "ready" || !cluster_.fleet().cordoned.contains(process.spec().name)) return;
  post(process, "cordon", "{}", [](const Status&) {});
}

void EdgeWatch::took(const std::string& name, const std::string& what) {
  // Known now, not with the next look: the order after this one may rest on it.
  const auto seen = seen_.find(name);
  if (seen != seen_.end() && what == "uncordon") seen->second.state = "ready";
  if (seen != seen_.end() && what == "cordon") seen->second.state = "cordoned";
  asking_[name].next = clock_.steady();
}

EdgeWatch::Seen EdgeWatch::of(const SupervisedProcess& process) const {
  const auto found = seen_.find(process.spec().name);
  const pid_t pid = process.id() ? process.id()->pid : 0;
  if (found == seen_.end() || found->second.pid != pid) return {};
  return found->second;
}

bool EdgeWatch::heard(const Seen& seen) const {
  return seen.heard_at && clock_.steady() - *seen.heard_at < kSilent;
}

void EdgeWatch::post(const SupervisedProcess& process, const std::string& what, const std::string& body,
                     std::function<void(Status)> answer) {
  client_.request(
      "POST", process.info().http + "/admin/" + what,
      {{"authorization", "Bearer " + token_}, {"content-type", "application/json"}}, body, kPatience,
      [this, name = process.spec().name, what, answer = std::move(answer)](Result<http::Response> got) {
        if (!got) return answer(got.error());
        if (got->status >= 400) return answer(problem_of(*got));
        took(name, what);
        answer(Done{});
      });
}

}  // namespace tocsin::ops
