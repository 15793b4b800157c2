#include "ops/ctl/api.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "common/file.h"
#include "common/json/json.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {

Result<http::Response> Api::fetch(const std::string& method, const std::string& url, http::Headers headers,
                                  std::string body, std::chrono::milliseconds timeout) {
  std::optional<Result<http::Response>> answer;
  client_.request(method, url, std::move(headers), std::move(body), timeout, [&](Result<http::Response> got) {
    answer.emplace(std::move(got));
    loop_.stop();
  });
  while (!answer) loop_.run();
  return *std::move(answer);
}

Result<http::Response> Api::ask(const std::string& method, const std::string& path, http::Headers headers,
                                std::string body) {
  std::string said;
  for (auto& header : bearer(token_)) headers.push_back(std::move(header));
  for (std::size_t i = 0; i < cluster_.edges.size(); ++i) {
    const auto& edge = cluster_.edges[next_edge_ % cluster_.edges.size()];
    auto answer = fetch(method, edge.http + path, headers, body);
    if (answer && answer->status != 503) return answer;
    said += (said.empty() ? "" : "; ") + edge.id + ": " +
            (answer ? problem_of(*answer).detail : answer.error().detail);
    ++next_edge_;
  }
  return Error{Errc::unavailable, cluster_.edges.empty()
                                      ? "the cluster has no edges"
                                      : "no edge answers (" + said + "); see tocsinctl status"};
}

Result<std::string> Api::get(const std::string& path) {
  auto answer = ask("GET", path);
  if (!answer) return answer.error();
  if (answer->status >= 400) return problem_of(*answer);
  return std::move(answer->body);
}

http::Trust trust_for(const ClusterFile& cluster, const std::string& ca) {
  const bool tls = std::any_of(cluster.edges.begin(), cluster.edges.end(), [](const auto& edge) {
    return edge.http.starts_with("https:") || edge.ws.starts_with("wss:");
  });
  return {tls ? http::Trust::In::authorities : http::Trust::In::nobody, ca};
}

Result<std::string> token_for(const std::string& token_file) {
  if (token_file.empty()) {
    const char* token = std::getenv("TOCSIN_TOKEN");
    return std::string(token != nullptr ? token : "");
  }
  auto token = read_secret(token_file);
  if (!token) return Error{Errc::invalid_argument, "--token-file: " + token.error().detail};
  return token;
}

http::Headers bearer(const std::string& token) {
  if (token.empty()) return {};
  return {{"authorization", "Bearer " + token}};
}

int complain(const std::string& sentence, int code) {
  std::fprintf(stderr, "tocsinctl: %s\n", sentence.c_str());
  return code;
}

int complain(const Error& error) {
  switch (error.code) {
    case Errc::invalid_argument:
      return complain(error.detail, kExitUsage);
    case Errc::not_found:
      return complain(error.detail, kExitNotFound);
    case Errc::unavailable:
    case Errc::timeout:
      return complain(error.detail, kExitUnavailable);
    default:
      return complain(error.detail + " (" + std::string(describe(error.code).text) + ")", kExitFailure);
  }
}

}  // namespace tocsin::ops
