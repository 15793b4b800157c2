// Commands that start a move at the supervisor and, with --wait, follow it to its end.
#include "ops/ctl/moves.h"

#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>

#include "common/http/url.h"
#include "ops/cluster/members.h"
#include "ops/ctl/demo.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"
#include "ops/ctl/move_view.h"
#include "ops/ctl/supervisor_client.h"
#include "ops/settings/settings.h"

namespace tocsin::ops {
namespace {

constexpr useconds_t kPoll = 250'000;
constexpr Millis kPatience{60'000};  ///< for a supervisor that died: whoever runs it starts it again

/// Follows the plan to its end. A supervisor that is away for a while goes on with it afterwards.
int follow(SupervisorClient& client, const std::string& id, const Common& options) {
  const SystemClock clock;
  MoveProgress progress(options.json);
  Instant heard = clock.steady();
  for (bool said = false;;) {
    const auto body = client.supervisor("GET", "/plans/" + id);
    if (!body && body.error().code != Errc::unavailable) return complain_move(body.error());
    if (!body) {
      progress.clear();
      if (clock.steady() - heard > kPatience) return complain_move(body.error());
      if (!said)
        complain("the supervisor does not answer; what is under way goes on, waiting for it", kExitOk);
      said = true;
    } else {
      heard = clock.steady();
      const auto report = json::parse(*body);
      if (!report) return complain(report.error());
      if (move_ended(*report)) {
        progress.clear();
        std::puts(options.json ? body->c_str() : move_text(*report).c_str());
        return move_exit_code(*report);
      }
      progress.show(*report);
    }
    ::usleep(kPoll);
  }
}

int start(SupervisorClient& client, const std::string& path, const std::string& body,
          const MoveOptions& options) {
  const auto answer = client.supervisor("POST", path, body);
  if (!answer) return complain_move(answer.error());
  const auto report = json::parse(*answer);
  if (!report) return complain(report.error());
  const auto id = json::string_member(*report, "id");
  if (!id || !*id) return complain("the supervisor gave no plan: " + *answer, kExitFailure);
  if (options.wait) return follow(client, std::string(**id), options);
  if (options.json) {
    std::puts(answer->c_str());
  } else {
    std::printf("%s is under way, plan %s\n  follow it: tocsinctl drain report %s\n",
                move_name(*report).c_str(), std::string(**id).c_str(), std::string(**id).c_str());
  }
  return kExitOk;
}

/// Opens the cluster and starts; `more` are members of the body without braces.
int run(const MoveOptions& options, const std::string& path, const std::string& more = {}) {
  auto pace = pace_json(options);
  if (!pace) return complain_move(pace.error());
  auto client = SupervisorClient::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  std::string body = "{" + *pace + more;
  if (body.ends_with(',')) body.pop_back();
  return start(**client, path, body + "}", options);
}

std::string absolute(const std::string& path) {
  char resolved[PATH_MAX];
  return ::realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

int post_simple(const MoveOptions& options, const std::string& path, const std::string& body,
                const std::string& done) {
  auto client = SupervisorClient::open(options.cluster, options.ca);
  if (!client) return complain_move(client.error());
  const auto answer = (*client)->supervisor("POST", path, body);
  if (!answer) return complain_move(answer.error());
  std::puts(options.json ? answer->c_str() : done.c_str());
  return kExitOk;
}

}  // namespace

Result<std::string> pace_json(const MoveOptions& options) {
  std::string out;
  Members members(out);
  members.texts("targets", options.to).texts("exclude", options.exclude);
  if (options.batch > 0) members.number("batch", static_cast<std::int64_t>(options.batch));
  if (options.rate > 0) members.number("rate", static_cast<std::int64_t>(options.rate));
  if (!options.deadline.empty()) {
    const auto deadline = parse_duration(options.deadline);
    if (!deadline) return Error{Errc::invalid_argument, "--deadline " + deadline.error().detail};
    members.number("deadline_ms", deadline->count());
  }
  out.erase(0, 1);
  return out.empty() ? out : out + ",";
}

int run_drain(const MoveOptions& options) {
  if (options.self) return run_drain_self(options);
  if (options.edge.empty()) return complain("say which edge (tocsinctl drain edge-1), or --self", kExitUsage);
  return run(options, "/edges/" + http::percent_encode(options.edge) + "/drain");
}

int run_migrate(const MoveOptions& options) {
  if (options.self) return run_migrate_self(options);
  if (options.edge.empty())
    return complain("say which edge (tocsinctl migrate edge-1), or --self", kExitUsage);
  return run(options, "/edges/" + http::percent_encode(options.edge) + "/migrate",
             "\"count\":" + std::to_string(options.count));
}

int run_rebalance(const MoveOptions& options) { return run(options, "/rebalance"); }

int run_scale(const MoveOptions& options) {
  return run(options, "/scale", "\"edges\":" + std::to_string(options.edges));
}

int run_restart(const MoveOptions& options) {
  if (!options.rolling)
    return complain("say --rolling: each process is replaced in its turn, and no client is cut", kExitUsage);
  std::string more;
  Members members(more);
  if (!options.programs.empty()) members.text("programs", absolute(options.programs));
  if (!options.config.empty()) {
    const auto complaints = settings::check(options.config, config::process_environment());
    for (const std::string& text : complaints) complain(text, kExitUsage);
    if (!complaints.empty()) return kExitUsage;
    members.text("config", absolute(options.config));
  }
  return run(options, "/restart", more.substr(1));
}

int run_cordon(const MoveOptions& options) {
  if (options.self) return run_cordon_self(options, true);
  if (options.edge.empty())
    return complain("say which edge (tocsinctl cordon edge-1), or --self", kExitUsage);
  return post_simple(options, "/edges/" + http::percent_encode(options.edge) + "/cordon", "{}",
                     options.edge + " takes no new clients; those it has stay");
}

int run_uncordon(const MoveOptions& options) {
  if (options.self) return run_cordon_self(options, false);
  if (options.edge.empty())
    return complain("say which edge (tocsinctl uncordon edge-1), or --self", kExitUsage);
  return post_simple(options, "/edges/" + http::percent_encode(options.edge) + "/uncordon", "{}",
                     options.edge + " takes clients again");
}

int run_maintenance(const MoveOptions& options) {
  const bool on = options.on_off == "on";
  return post_simple(options, "/maintenance", on ? "{\"on\":true}" : "{\"on\":false}",
                     on ? "maintenance is on: the supervisor restarts and rebalances nothing, its alerts rest"
                        : "maintenance is off: what died meanwhile is started again");
}

}  // namespace tocsin::ops
