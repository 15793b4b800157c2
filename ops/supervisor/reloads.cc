#include "ops/supervisor/reloads.h"

#include <algorithm>
#include <map>

#include "common/config/suggest.h"
#include "common/json/json.h"
#include "ops/cluster/problem.h"

namespace tocsin::ops {
namespace {

constexpr Millis kPatience{10'000};  ///< a check may read certificates and keys from a slow disk
constexpr std::string_view kSupervisor = "supervisor";

std::string entry(std::string_view name, const Result<std::string>& said) {
  std::string out = "{\"name\":" + json::quoted(name);
  if (said) return out.append(",\"result\":").append(*said).append("}");
  out.append(",\"error\":{\"code\":").append(json::quoted(describe(said.error().code).name));
  return out.append(",\"detail\":").append(json::quoted(said.error().detail)).append("}}");
}

}  // namespace

/// Answers when the last who holds it lets go.
struct Reloads::Round {
  explicit Round(std::function<void(std::string)> tell) : answer(std::move(tell)) {}
  ~Round() {
    std::string list;
    for (const auto& [order, text] : entries) list.append(list.empty() ? "" : ",").append(text);
    answer(std::string("{\"ok\":") + (failed ? "false" : "true") + ",\"processes\":[" + list + "]}");
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;

  void said(std::size_t order, std::string_view name, const Result<std::string>& what) {
    failed = failed || !what;
    entries[order] = entry(name, what);
  }

  std::function<void(std::string)> answer;
  std::map<std::size_t, std::string> entries;  ///< in the order of asking
  std::size_t asked = 0;
  bool failed = false;
};

void Reloads::ask(const std::shared_ptr<Round>& round, const Process& process, const std::string& token) {
  const std::size_t order = round->asked++;
  if (process.http.empty())
    return round->said(order, process.name,
                       Error{Errc::unavailable, process.why + "; it reads its settings when it starts"});
  client_.request("POST", process.http + "/admin/reload", {{"authorization", "Bearer " + token}}, {},
                  kPatience, [round, order, name = process.name](Result<http::Response> got) {
                    if (!got) return round->said(order, name, got.error());
                    if (got->status >= 400) return round->said(order, name, problem_of(*got));
                    round->said(order, name,
                                json::parse(got->body) ? Result<std::string>(got->body)
                                                       : Error{Errc::internal, "the answer is no JSON"});
                  });
}

Status Reloads::start(std::string_view why, const std::string& only,
                      std::function<void(std::string json)> answer) {
  const std::vector<Process> others = others_();
  std::vector<std::string> known{std::string(kSupervisor)};
  for (const Process& process : others) known.push_back(process.name);
  if (!only.empty() && std::find(known.begin(), known.end(), only) == known.end())
    return Error{Errc::not_found, "there is no process \"" + only + "\"" + config::did_you_mean(only, known)};
  const auto round = std::make_shared<Round>(std::move(answer));
  const std::string token = token_;  // the others have not read another one yet
  if (only.empty() || only == kSupervisor) round->said(round->asked++, kSupervisor, own_(why));
  for (const Process& process : others)
    if (only.empty() || only == process.name) ask(round, process, token);
  return Done{};
}

}  // namespace tocsin::ops
