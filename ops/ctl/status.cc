#include <unistd.h>

#include <cstdio>

#include "common/json/json.h"
#include "ops/cluster/file.h"
#include "ops/ctl/api.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

struct Line {
  std::string name;
  pid_t pid;
  std::string address;
  bool ready = false;
  std::string detail;
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
    if (!line.detail.empty()) out += ",\"detail\":" + json::quoted(line.detail);
    out += '}';
  }
  out += ']';
  if (!supervisor.empty()) out += ",\"supervisor\":" + supervisor;
  return out + "}";
}

std::string supervisor_status(Api& api) {
  const auto token = read_file(api.cluster().supervisor.token_file, 4096);
  if (!token) return {};  // somebody else's cluster: what can be seen without the token is shown
  auto answer = api.fetch("GET", api.cluster().supervisor.http + "/status",
                          {{"authorization", "Bearer " + *token}}, {}, kPatience);
  if (!answer || answer->status != 200 || !json::parse(answer->body)) return {};
  std::erase(answer->body, '\n');  // one document, one line; inside JSON's strings there are none
  return std::move(answer->body);
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

  if (options.json) {
    std::puts(json_of(lines, supervisor, ready).c_str());
  } else {
    for (const Line& line : lines)
      std::printf("%-11s %-9s %8d  %s%s%s\n", line.name.c_str(), line.ready ? "ready" : "NOT READY",
                  static_cast<int>(line.pid), line.address.c_str(), line.detail.empty() ? "" : "  ",
                  line.detail.c_str());
  }
  return ready ? kExitOk : kExitNotReady;
}

}  // namespace tocsin::ops
