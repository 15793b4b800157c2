#include <unistd.h>

#include <cstdio>

#include "common/json/json.h"
#include "ops/cluster/file.h"
#include "ops/ctl/api.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/move_view.h"

namespace tocsin::ops {
namespace {

struct Line {
  std::string name;
  pid_t pid;
  std::string address;
  bool ready = false;
  std::string detail;
  std::string state = {};    ///< an edge's own: ready, cordoned, migrating, ...; empty: not known
  std::string clients = {};  ///< a number; empty: not known
};

constexpr std::chrono::milliseconds kPatience{2'000};

Line ask(Api& api, std::string name, pid_t pid, const std::string& http, std::string address) {
  Line line{std::move(name), pid, std::move(address), false, {}};
  if (http.empty()) {
    line.detail = "has no HTTP address to ask";
    return line;
  }
  const auto answer = api.fetch("GET", http + "/health/ready", {}, {}, kPatience);
  line.ready = answer && answer->status == 200;
  if (!answer)
    line.detail = answer.error().detail;
  else if (!line.ready)
    line.detail = answer->body;
  return line;
}

std::string json_of(const std::vector<Line>& lines, const std::string& supervisor, bool ready) {
  std::string out = std::string("{\"ready\":") + (ready ? "true" : "false") + ",\"processes\":[";
  for (const Line& line : lines) {
    if (out.back() != '[') out += ',';
    out += "{\"name\":" + json::quoted(line.name) + ",\"pid\":" + std::to_string(line.pid) +
           ",\"address\":" + json::quoted(line.address) + ",\"ready\":" + (line.ready ? "true" : "false");
    if (!line.state.empty()) out += ",\"state\":" + json::quoted(line.state);
    if (!line.clients.empty()) out += ",\"clients\":" + line.clients;
    if (!line.detail.empty()) out += ",\"detail\":" + json::quoted(line.detail);
    out += '}';
  }
  out += ']';
  if (!supervisor.empty()) out += ",\"supervisor\":" + supervisor;
  return out + "}";
}

std::string supervisor_status(Api& api) {
  const auto token = read_secret(api.cluster().supervisor.token_file);
  if (!token) return {};  // somebody else's cluster: what can be seen without the token is shown
  auto answer = api.fetch("GET", api.cluster().supervisor.http + "/status",
                          {{"authorization", "Bearer " + *token}}, {}, kPatience);
  if (!answer || answer->status != 200 || !json::parse(answer->body)) return {};
  std::erase(answer->body, '\n');  // one document, one line; inside JSON's strings there are none
  return std::move(answer->body);
}

/// What the supervisor knows beyond readiness.
void add_states(std::vector<Line>& lines, const json::Value& status) {
  const json::Value* processes = json::find(status, "processes");
  if (processes == nullptr || !processes->IsArray()) return;
  for (const json::Value& process : processes->GetArray()) {
    const auto name = json::string_member(process, "name");
    for (Line& line : lines) {
      if (!name || !*name || line.name != **name) continue;
      if (const auto state = json::string_member(process, "edge_state"); state)
        line.state = state->value_or("");
      if (const json::Value* clients = json::find(process, "clients"); clients != nullptr)
        line.clients = json::text(*clients);
    }
  }
}

void print(const std::vector<Line>& lines, const json::Value* status) {
  for (const Line& line : lines) {
    const bool cordoned = !line.ready && !line.state.empty() && line.state != "ready";
    const std::string state = line.ready ? "ready" : cordoned ? line.state : "NOT READY";
    const std::string clients = line.clients.empty() ? "" : "  " + line.clients + " clients";
    std::printf("%-11s %-9s %8d  %s%s%s%s\n", line.name.c_str(), state.c_str(), static_cast<int>(line.pid),
                line.address.c_str(), clients.c_str(), line.detail.empty() || cordoned ? "" : "  ",
                cordoned ? "" : line.detail.c_str());
  }
  if (status == nullptr) return;
  if (const auto on = json::bool_member(*status, "maintenance"); on && on->value_or(false))
    std::puts("maintenance is on: nothing is restarted or rebalanced (tocsinctl maintenance off)");
  const json::Value* troubles = json::find(*status, "troubles");
  if (troubles != nullptr && troubles->IsObject())
    for (const auto& trouble : troubles->GetObject())
      std::printf("trouble     %s: %s\n", std::string(json::view(trouble.name)).c_str(),
                  trouble.value.IsString() ? std::string(json::view(trouble.value)).c_str() : "");
  const json::Value* plans = json::find(*status, "plans");
  if (plans == nullptr || !plans->IsArray()) return;
  for (const json::Value& plan : plans->GetArray()) std::printf("%s\n", move_line(plan).c_str());
}

}  // namespace

int run_status(const StatusOptions& options) {
  auto file = open_cluster(options.cluster);
  if (!file) return complain(file.error().detail, kExitUnavailable);
  // Nothing secret goes to an edge here, and a cluster with a broken certificate should still be looked at.
  http::Trust trust = trust_for(*file, {});
  if (trust.in != http::Trust::In::nobody) trust.in = http::Trust::In::anyone;
  Api api(*std::move(file), trust);
  const ClusterFile& cluster = api.cluster();
  std::vector<Line> lines{
      ask(api, "broker", cluster.broker.pid, cluster.broker.http, cluster.broker.ingest),
      ask(api, "supervisor", cluster.supervisor.pid, cluster.supervisor.http, cluster.supervisor.http)};
  for (const auto& edge : cluster.edges) lines.push_back(ask(api, edge.id, edge.pid, edge.http, edge.ws));
  bool ready = true;
  for (const Line& line : lines) ready = ready && line.ready;
  const std::string supervisor = supervisor_status(api);

  const auto known = json::parse(supervisor.empty() ? "{}" : supervisor);
  if (known) add_states(lines, *known);
  if (options.json)
    std::puts(json_of(lines, supervisor, ready).c_str());
  else
    print(lines, known ? &*known : nullptr);
  return ready ? kExitOk : kExitNotReady;
}

}  // namespace tocsin::ops
