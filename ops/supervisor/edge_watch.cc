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

/// As ready as it can be: with health.full: not_ready it says 503 to load balancers.
bool is_full(const http::Response& response) {
  const auto document = json::parse(response.body);
  return document && document->IsObject() && text_of(*document, "status") == "full";
}

}  // namespace

void EdgeWatch::poll(Millis every) {
  const Instant now = clock_.steady();
  const std::vector<Target> targets = targets_();
  std::map<std::string, Seen> known;
  for (const Target& target : targets) {
    Seen& seen = known[target.name] = seen_[target.name];
    if (target.http.empty() || seen.instance != target.instance) {
      seen = {};
      seen.instance = target.instance;
    }
    if (target.http.empty()) seen.detail = target.why;
  }
  seen_ = std::move(known);
  std::erase_if(asking_,
                [this](const auto& entry) { return entry.second.open == 0 && !seen_.contains(entry.first); });
  for (const Target& target : targets) {
    if (target.http.empty()) continue;
    Asking& asking = asking_[target.name];
    asking.next = std::min(asking.next, now + every);  // a move may have begun since
    if (asking.open > 0 || now < asking.next) continue;
    asking.next = now + every;
    ask(target);
  }
}

void EdgeWatch::ask(const Target& target) {
  const std::string name = target.name;
  const http::Headers headers{{"authorization", "Bearer " + token_}};
  // The answer of a process that is gone meanwhile is nobody's.
  const auto take = [this, name, instance = target.instance](auto use) {
    return [this, name, instance, use](Result<http::Response> got) {
      --asking_[name].open;
      const auto seen = seen_.find(name);
      if (seen != seen_.end() && seen->second.instance == instance) use(seen->second, got);
    };
  };
  asking_[name].open += 3;
  client_.get(target.http + "/health/ready", kPatience,
              take([](Seen& seen, const Result<http::Response>& got) {
                seen.ready = got && (got->status == 200 || is_full(*got));
                seen.detail = !got ? got.error().detail : seen.ready ? "" : got->body;
              }));
  client_.request("GET", target.http + "/admin/status", headers, {}, kPatience,
                  take([this, name](Seen& seen, const Result<http::Response>& got) {
                    const auto took = take_status(seen, got);
                    seen.trouble = took ? "" : took.error().detail;
                    if (!took) return;
                    for (const Target& edge : targets_())
                      if (edge.name == name) remind(edge, seen);
                  }));
  client_.request("GET", target.http + "/admin/report", headers, {}, kPatience,
                  take([](Seen& seen, const Result<http::Response>& got) {
                    if (got && got->status == 404)
                      seen.report.reset();  // it has moved nobody since its start
                    if (!got || got->status != 200) return;
                    const auto document = json::parse(got->body);
                    if (!document) return;
                    if (auto report = EdgeReport::parse(*document)) seen.report = *std::move(report);
                  }));
}

Status EdgeWatch::take_status(Seen& seen, const Result<http::Response>& got) {
  if (!got) return got.error();
  if (got->status == 401 || got->status == 403)
    return Error{Errc::unauthorized,
                 "it does not take the token of admin.token_file: " + problem_of(*got).detail};
  const auto document = json::parse(got->body);
  if (got->status != 200 || !document || !document->IsObject())
    return Error{Errc::corrupt,
                 "what it answers (" + std::to_string(got->status) + ") is no status of an edge"};
  const std::string self = text_of(*document, "edge");
  const std::uint64_t started_ms = number_of(*document, "started_ms", 0);
  if (seen.heard_at && (seen.edge != self || seen.started_ms != started_ms)) {
    seen.report.reset();  // of the process before
    seen.sees.clear();
  }
  seen.edge = self;
  seen.started_ms = started_ms;
  seen.heard_at = clock_.steady();
  seen.state = text_of(*document, "state");
  seen.revision = text_of(*document, "revision");
  seen.clients = number_of(*document, "clients", 0);
  seen.load = number_of(*document, "load", 0);
  seen.take_per_s = number_of(*document, "take_per_s", 0);
  const json::Value* edges = json::find(*document, "edges");
  if (edges == nullptr || !edges->IsArray()) return Done{};
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
  return Done{};
}

void EdgeWatch::remind(const Target& target, const Seen& seen) {
  if (seen.state == "ready" && target.cordoned && !target.http.empty())
    post(target, "cordon", "{}", [](const Status&) {});
}

void EdgeWatch::took(const std::string& name, const std::string& what) {
  // Known now, not with the next look: the order after this one may rest on it.
  const auto seen = seen_.find(name);
  if (seen != seen_.end() && what == "uncordon") seen->second.state = "ready";
  if (seen != seen_.end() && what == "cordon") seen->second.state = "cordoned";
  asking_[name].next = clock_.steady();
}

EdgeWatch::Seen EdgeWatch::of(const std::string& name, const std::string& instance) const {
  const auto found = seen_.find(name);
  if (found == seen_.end() || found->second.instance != instance) return {};
  return found->second;
}

bool EdgeWatch::heard(const Seen& seen) const {
  return seen.heard_at && clock_.steady() - *seen.heard_at < kSilent;
}

bool EdgeWatch::serves(const Seen& seen) const {
  return seen.ready ||
         (heard(seen) && !seen.state.empty() && seen.state != "ready" && seen.state != "starting");
}

void EdgeWatch::post(const Target& target, const std::string& what, const std::string& body,
                     std::function<void(Status)> answer) {
  client_.request("POST", target.http + "/admin/" + what,
                  {{"authorization", "Bearer " + token_}, {"content-type", "application/json"}}, body,
                  kPatience,
                  [this, name = target.name, what, answer = std::move(answer)](Result<http::Response> got) {
                    if (!got) return answer(got.error());
                    if (got->status >= 400) return answer(problem_of(*got));
                    took(name, what);
                    answer(Done{});
                  });
}

}  // namespace tocsin::ops
