// drain --self: asks the edge beside this process, without cluster.json and without a supervisor. For the
// preStop hook of a container.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "common/json/json.h"
#include "ops/cluster/file.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/move_view.h"
#include "ops/ctl/moves.h"
#include "ops/ctl/supervisor_client.h"

namespace tocsin::ops {
namespace {

constexpr useconds_t kPoll = 250'000;
constexpr int kMisses = 20;  ///< of the edge's answers in a row, then it is gone
constexpr const char* kDefault = "http://127.0.0.1:8080";

std::string or_environment(const std::string& flag, const char* name, const char* otherwise) {
  if (!flag.empty()) return flag;
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

Result<std::string> body_of(Result<http::Response> answer) {
  if (!answer) return answer.error();
  if (answer->status >= 400) return problem_of(*answer);
  return std::move(answer->body);
}

int refuse(const Error& error, const std::string& url) {
  if (error.code == Errc::unauthorized || error.code == Errc::forbidden)
    return complain(
        "the edge at " + url + " refuses: " + error.detail +
            "; give --token-file (or TOCSIN_ADMIN_TOKEN_FILE), or let the edge have admin.loopback: true",
        kExitFailure);
  if (error.code == Errc::unavailable)
    return complain(
        "no edge answers at " + url + " (" + error.detail + "); give --edge-http or TOCSIN_EDGE_HTTP",
        kExitUnavailable);
  return complain_move(error);
}

}  // namespace

int run_drain_self(const MoveOptions& options) {
  if (!options.edge.empty()) return complain("give an edge or --self, not both", kExitUsage);
  const auto pace = pace_json(options);
  if (!pace) return complain_move(pace.error());
  std::string url = or_environment(options.edge_http, "TOCSIN_EDGE_HTTP", kDefault);
  while (url.ends_with('/')) url.pop_back();
  http::Headers headers{{"content-type", "application/json"}};
  if (const std::string file = or_environment(options.token_file, "TOCSIN_ADMIN_TOKEN_FILE", "");
      !file.empty()) {
    auto token = read_file(file, 4096);
    if (!token) return complain(token.error());
    while (token->ends_with('\n')) token->pop_back();
    headers.emplace_back("authorization", "Bearer " + *token);
  }
  // A container's certificate is not for 127.0.0.1; --ca insists on one.
  http::Trust trust{options.ca.empty() ? http::Trust::In::anyone : http::Trust::In::authorities, options.ca};
  Api api(ClusterFile{}, trust);
  std::string body = "{" + *pace;
  if (body.ends_with(',')) body.pop_back();
  const auto started = body_of(api.fetch("POST", url + "/admin/drain", headers, body + "}"));
  if (!started) return refuse(started.error(), url);
  if (!options.wait) {
    std::puts(options.json ? started->c_str() : "the drain is under way");
    return kExitOk;
  }
  MoveProgress progress(options.json);
  for (int misses = 0; misses < kMisses; ::usleep(kPoll)) {
    const auto text = body_of(api.fetch("GET", url + "/admin/report", headers, {}));
    const auto report = text ? json::parse(*text) : Result<json::Document>(text.error());
    if (!report) {
      ++misses;
      continue;
    }
    misses = 0;
    progress.show(*report);
    if (!move_ended(*report)) continue;
    progress.clear();
    std::puts(options.json ? text->c_str() : move_text(*report).c_str());
    return move_exit_code(*report);
  }
  progress.clear();
  return complain("the edge at " + url + " does not answer any more", kExitUnavailable);
}

}  // namespace tocsin::ops
