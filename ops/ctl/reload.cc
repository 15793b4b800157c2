#include "ops/ctl/reload.h"

#include <cstdio>

#include "ops/cluster/members.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/supervisor_client.h"

namespace tocsin::ops {
namespace {

std::string text_of(const json::Value& object, std::string_view name) {
  const auto text = json::string_member(object, name);
  return text ? std::string(text->value_or("")) : std::string();
}

std::string changes_of(const json::Value& result) {
  std::string out;
  const json::Value* changed = json::find(result, "changed");
  if (changed != nullptr && changed->IsArray())
    for (const json::Value& change : changed->GetArray())
      out += (out.empty() ? "" : ", ") + text_of(change, "key") + " " + text_of(change, "before") + " -> " +
             text_of(change, "after");
  if (out.empty()) out = "no setting has changed";
  const json::Value* restart = json::find(result, "restart");
  std::string waits;
  if (restart != nullptr && restart->IsArray())
    for (const json::Value& key : restart->GetArray())
      if (key.IsString()) waits += (waits.empty() ? "" : ", ") + std::string(json::view(key));
  return waits.empty() ? out : out + "; needs a restart: " + waits;
}

/// A line per process; how many refused, of how many.
std::pair<int, int> print(const json::Value& answer, bool silent) {
  int refused = 0;
  int all = 0;
  const json::Value* processes = json::find(answer, "processes");
  if (processes == nullptr || !processes->IsArray()) return {0, 0};
  for (const json::Value& process : processes->GetArray()) {
    ++all;
    const json::Value* result = json::find(process, "result");
    const json::Value* error = json::find(process, "error");
    refused += result == nullptr ? 1 : 0;
    if (silent) continue;
    const std::string said =
        result != nullptr
            ? "reloaded: " + changes_of(*result)
            : "unchanged: " + (error != nullptr ? text_of(*error, "detail") : std::string("no answer"));
    std::printf("%-11s %s\n", text_of(process, "name").c_str(), said.c_str());
  }
  return {refused, all};
}

}  // namespace

int run_reload(const ReloadOptions& options) {
  auto client = SupervisorClient::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  std::string body;
  Members(body).text("process", options.process).end();
  const auto answer = (*client)->supervisor("POST", "/reload", body);
  if (!answer) return complain_move(answer.error());
  const auto document = json::parse(*answer);
  if (!document) return complain(document.error());
  if (options.json) std::puts(answer->c_str());
  const auto [refused, all] = print(*document, options.json);
  if (refused == 0) return kExitOk;
  return refused == all ? kExitFailure : kExitPartly;
}

void add_reload(CLI::App& app, ReloadLine& line) {
  auto* reload = app.add_subcommand(
      "reload",
      "Read settings, keys and certificates again, without a restart; all or nothing in each process");
  ReloadOptions& o = line.options;
  reload->add_option("process", o.process, "supervisor, broker or an edge; all of them when not given");
  reload->add_flag("--json", o.json, "JSON for machines");
  reload->add_option("--cluster", o.cluster, "cluster.json to use");
  reload->callback([&line] {
    ReloadOptions& given = line.options;
    if (given.cluster.empty()) given.cluster = line.common->cluster;
    given.json = given.json || line.common->json;
    *line.exit_code = run_reload(given);
  });
}

}  // namespace tocsin::ops
