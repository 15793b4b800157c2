// --self: asks one edge by its own address, without cluster.json and without a supervisor. For the preStop
// hook of a container, and for scripts where edges are not the supervisor's.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

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

/// One edge, and the right to order it about.
struct Self {
  std::string url;
  http::Headers headers{{"content-type", "application/json"}};
  std::unique_ptr<Api> api;

  Result<std::string> ask(const std::string& method, const std::string& path, std::string body) const {
    return body_of(api->fetch(method, url + path, headers, std::move(body)));
  }
};

Result<Self> self_of(const MoveOptions& options) {
  Self self;
  self.url = or_environment(options.edge_http, "TOCSIN_EDGE_HTTP", kDefault);
  while (self.url.ends_with('/')) self.url.pop_back();
  if (const std::string file = or_environment(options.token_file, "TOCSIN_ADMIN_TOKEN_FILE", "");
      !file.empty()) {
    auto token = read_file(file, 4096);
    if (!token) return token.error();
    while (token->ends_with('\n')) token->pop_back();
    self.headers.emplace_back("authorization", "Bearer " + *token);
  }
  // A container's certificate is not for 127.0.0.1; --ca insists on one.
  const http::Trust trust{options.ca.empty() ? http::Trust::In::anyone : http::Trust::In::authorities,
                          options.ca};
  self.api = std::make_unique<Api>(ClusterFile{}, trust);
  return self;
}

int follow(const Self& self, const MoveOptions& options) {
  MoveProgress progress(options.json);
  for (int misses = 0; misses < kMisses; ::usleep(kPoll)) {
    const auto text = self.ask("GET", "/admin/report", {});
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
  return complain("the edge at " + self.url + " does not answer any more", kExitUnavailable);
}

/// Starts a move; `more` are members of the order.
int start(const MoveOptions& options, const std::string& path, const std::string& more) {
  if (!options.edge.empty()) return complain("give an edge or --self, not both", kExitUsage);
  const auto pace = pace_json(options);
  if (!pace) return complain_move(pace.error());
  const auto self = self_of(options);
  if (!self) return complain(self.error());
  std::string body = "{" + *pace + more;
  if (body.ends_with(',')) body.pop_back();
  const auto started = self->ask("POST", path, body + "}");
  if (!started) return refuse(started.error(), self->url);
  if (options.wait) return follow(*self, options);
  std::puts(options.json ? started->c_str() : "it is under way");
  return kExitOk;
}

}  // namespace

int run_drain_self(const MoveOptions& options) { return start(options, "/admin/drain", {}); }

int run_migrate_self(const MoveOptions& options) {
  return start(options, "/admin/migrate", "\"count\":" + std::to_string(options.count));
}

int run_cordon_self(const MoveOptions& options, bool on) {
  if (!options.edge.empty()) return complain("give an edge or --self, not both", kExitUsage);
  const auto self = self_of(options);
  if (!self) return complain(self.error());
  const auto done = self->ask("POST", on ? "/admin/cordon" : "/admin/uncordon", {});
  if (!done) return refuse(done.error(), self->url);
  std::puts(options.json ? done->c_str()
            : on         ? "the edge takes no new clients"
                         : "the edge takes clients again");
  return kExitOk;
}

}  // namespace tocsin::ops
