#include "ops/ctl/keys.h"

#include <unistd.h>

#include <cstdio>
#include <optional>

#include "common/clock.h"
#include "ops/cluster/members.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/key_folder.h"
#include "ops/ctl/supervisor_client.h"

namespace tocsin::ops {
namespace {

constexpr useconds_t kPoll = 100'000;
constexpr Millis kPatience{20'000};  ///< for an edge to come back to the broker

Result<KeyFolder> folder_of(const KeysOptions& options) {
  if (!options.dir.empty()) return KeyFolder(options.dir);
  auto cluster = open_cluster(options.cluster);
  if (!cluster) return Error{Errc::unavailable, cluster.error().detail + "; or give --dir"};
  return KeyFolder(cluster->dir);
}

/// An Error when the process did not follow.
Status reload(SupervisorClient& client, const std::string& process) {
  std::string body;
  Members(body).text("process", process).end();
  const auto answer = client.supervisor("POST", "/reload", body);
  if (!answer) return answer.error();
  const auto said = json::parse(*answer);
  const json::Value* list = said ? json::find(*said, "processes") : nullptr;
  if (list == nullptr || !list->IsArray() || list->Empty())
    return Error{Errc::internal, "the supervisor's answer is not understood: " + *answer};
  const json::Value* error = json::find(*list->Begin(), "error");
  if (error == nullptr) return Done{};
  const auto detail = json::string_member(*error, "detail");
  return Error{Errc::unavailable, process + ": " + std::string(detail ? detail->value_or("") : "")};
}

/// Until the edge's link is up with this key of its own, or of the broker.
Status wait_for(SupervisorClient& client, const ClusterFile::Edge& edge, std::string_view member,
                const std::string& key) {
  const SystemClock clock;
  const Instant until = clock.steady() + kPatience;
  for (;; ::usleep(kPoll)) {
    const auto answer = client.edge(edge, "GET", "/admin/status");
    const auto status = answer ? json::parse(*answer) : Result<json::Document>(answer.error());
    const auto used = status ? json::string_member(*status, member)
                             : Result<std::optional<std::string_view>>(status.error());
    if (used && used->value_or("") == key) return Done{};
    if (clock.steady() < until) continue;
    return Error{Errc::timeout, edge.id + " has not come back to the broker with the new key (" +
                                    (answer ? "see its log" : answer.error().detail) +
                                    "); both keys are good, repeat the command when it is well"};
  }
}

Status rotate_edge(SupervisorClient& client, const KeyFolder& folder, const ClusterFile::Edge& edge,
                   const mq::CurveKeys& fresh) {
  if (auto replaced = folder.replace(edge.id, fresh); !replaced) return replaced;
  if (auto told = reload(client, edge.id); !told) return told;
  if (auto back = wait_for(client, edge, "link_key", fresh.public_key); !back) return back;
  return folder.retire(edge.id);
}

Status rotate_broker(SupervisorClient& client, const KeyFolder& folder, const mq::CurveKeys& fresh) {
  if (auto replaced = folder.replace("broker", fresh); !replaced) return replaced;
  if (auto told = reload(client, "broker"); !told) return told;
  for (const auto& edge : client.cluster().edges) {
    if (auto told = reload(client, edge.id); !told) return told;
    if (auto back = wait_for(client, edge, "broker_key", fresh.public_key); !back) return back;
  }
  return reload(client, "supervisor");  // which tells publishers by cluster.json
}

/// One holder, in the running cluster.
Status rotate(SupervisorClient& client, const KeyFolder& folder, const std::string& name) {
  const auto fresh = mq::curve_keypair();
  if (!fresh) return fresh.error();
  if (name == "broker") return rotate_broker(client, folder, *fresh);
  for (const auto& edge : client.cluster().edges)
    if (edge.id == name) return rotate_edge(client, folder, edge, *fresh);
  return folder.replace(name, *fresh);
}

void say(const KeysOptions& options, const std::string& name, const std::string& what) {
  if (options.json) {
    std::string out;
    Members(out).text("name", name).text("result", what).end();
    std::puts(out.c_str());
  } else {
    std::printf("%-11s %s\n", name.c_str(), what.c_str());
  }
}

}  // namespace

int run_keys_make(const KeysOptions& options) {
  const auto folder = folder_of(options);
  if (!folder) return complain_move(folder.error());
  const auto key = folder->make(options.name);
  if (!key) return complain_move(key.error());
  say(options, options.name, *key);
  return kExitOk;
}

int run_keys_list(const KeysOptions& options) {
  const auto folder = folder_of(options);
  if (!folder) return complain_move(folder.error());
  const auto list = folder->list();
  if (!list) return complain_move(list.error());
  std::string out = "[";
  for (const auto& entry : *list) {
    const std::string key = !entry.key.empty()      ? entry.key
                            : entry.allowed.empty() ? ""
                                                    : entry.allowed.front();
    if (!options.json) {
      std::printf("%-11s %s%s%s\n", entry.name.c_str(), key.c_str(), entry.trouble.empty() ? "" : "  ! ",
                  entry.trouble.c_str());
      continue;
    }
    if (out.back() != '[') out += ',';
    Members(out)
        .text("name", entry.name)
        .text("key", entry.key)
        .texts("allowed", entry.allowed)
        .text("trouble", entry.trouble)
        .end();
  }
  if (options.json) std::puts((out + "]").c_str());
  return kExitOk;
}

int run_keys_rotate(const KeysOptions& options) {
  if (options.name.empty() != options.all) return complain("give a name, or --all", kExitUsage);
  if (!options.dir.empty()) {  // nobody runs here: the files alone
    const KeyFolder folder(options.dir);
    const auto fresh = mq::curve_keypair();
    if (options.all) return complain("--all is for a running cluster", kExitUsage);
    if (!fresh) return complain(fresh.error());
    if (auto done = folder.replace(options.name, *fresh); !done) return complain_move(done.error());
    say(options, options.name, "has a new key; the old one is good until tocsinctl keys retire");
    return kExitOk;
  }
  auto client = SupervisorClient::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  const KeyFolder folder((*client)->cluster().dir);
  std::vector<std::string> names{options.name};
  if (options.all) {
    names.clear();
    const auto list = folder.list();
    if (!list) return complain_move(list.error());
    for (const auto& entry : *list)
      if (!entry.key.empty()) names.push_back(entry.name);
  }
  for (const auto& name : names) {
    if (auto done = rotate(**client, folder, name); !done) return complain_move(done.error());
    const auto entry = folder.find(name);
    const bool both = entry && entry->allowed.size() > 1;
    say(options, name,
        both ? "has a new key; the old one is good until tocsinctl keys retire " + name : "has a new key");
  }
  return kExitOk;
}

int run_keys_retire(const KeysOptions& options) {
  const auto folder = folder_of(options);
  if (!folder) return complain_move(folder.error());
  if (auto done = folder->retire(options.name); !done) return complain_move(done.error());
  say(options, options.name, "its older keys are off the list; the broker cuts connections that use them");
  return kExitOk;
}

int run_keys_remove(const KeysOptions& options) {
  const auto folder = folder_of(options);
  if (!folder) return complain_move(folder.error());
  if (auto done = folder->remove(options.name); !done) return complain_move(done.error());
  say(options, options.name, "is off the list; the broker cuts its connections");
  return kExitOk;
}

void add_keys(CLI::App& app, KeysLine& line) {
  auto* keys = app.add_subcommand("keys", "CURVE keys that broker, edges and publishers know each other by");
  keys->require_subcommand(1);
  KeysOptions& o = line.options;
  const auto add = [&](const char* name, const char* help, int (*run)(const KeysOptions&)) {
    auto* command = keys->add_subcommand(name, help);
    command->add_option("--dir", o.dir, "A cluster's folder, when it does not run here");
    command->add_option("--cluster", o.cluster, "cluster.json to use");
    command->add_flag("--json", o.json, "JSON for machines");
    command->callback([&line, run] {
      KeysOptions& given = line.options;
      if (given.cluster.empty()) given.cluster = line.common->cluster;
      if (given.ca.empty()) given.ca = line.common->ca;
      given.json = given.json || line.common->json;
      *line.exit_code = run(given);
    });
    return command;
  };
  add("make", "Make a key pair and put it on the broker's allow-list", run_keys_make)
      ->add_option("name", o.name, "Its holder: an edge's id, or a publisher's name")
      ->required();
  add("list", "Whose keys there are, and what is wrong with them", run_keys_list);
  auto* rotate = add("rotate", "Give a holder, or all, another key; no client is lost", run_keys_rotate);
  rotate->add_option("name", o.name, "broker, an edge's id, client, ...");
  rotate->add_flag("--all", o.all, "Everybody whose key file is here");
  add("retire", "Of a holder with several keys, keep the one in its key file", run_keys_retire)
      ->add_option("name", o.name, "Its holder")
      ->required();
  add("remove", "Take a holder off the allow-list; its connections are cut", run_keys_remove)
      ->add_option("name", o.name, "Its holder")
      ->required();
}

}  // namespace tocsin::ops
