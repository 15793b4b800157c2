#include "ops/ctl/supervisor_client.h"

#include "common/config/suggest.h"
#include "ops/cluster/file.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {

Result<std::unique_ptr<SupervisorClient>> SupervisorClient::open(const std::string& cluster,
                                                                 const std::string& ca) {
  auto file = open_cluster(cluster);
  if (!file) return Error{Errc::unavailable, file.error().detail};
  const auto token = read_file(file->supervisor.token_file, 4096);
  if (!token)
    return Error{Errc::forbidden, "the token of this cluster cannot be read: " + token.error().detail +
                                      "; who may change a cluster is who may read that file"};
  const http::Trust trust = trust_for(*file, ca);
  std::string bare = *token;
  while (!bare.empty() && (bare.back() == '\n' || bare.back() == ' ')) bare.pop_back();
  return std::make_unique<SupervisorClient>(*std::move(file), std::move(bare), trust);
}

Result<std::string> SupervisorClient::ask(const std::string& who, const std::string& method,
                                          const std::string& url, const std::string& body) {
  auto answer = api_.fetch(
      method, url, {{"authorization", "Bearer " + token_}, {"content-type", "application/json"}}, body);
  if (!answer) return answer.error();
  if (answer->status == 401)
    return Error{Errc::unauthorized, who + " does not take the token of " + cluster().supervisor.token_file +
                                         "; is that folder the one of the running cluster?"};
  if (answer->status >= 400) return problem_of(*answer);
  while (answer->body.ends_with('\n')) answer->body.pop_back();
  return std::move(answer->body);
}

Result<std::string> SupervisorClient::supervisor(const std::string& method, const std::string& path,
                                                 const std::string& body) {
  const std::string& http = cluster().supervisor.http;
  auto answer = ask("the supervisor", method, http + path, body);
  const bool nobody = !answer &&
                      (answer.error().code == Errc::unavailable || answer.error().code == Errc::timeout) &&
                      !api_.fetch("GET", http + "/health/live", {}, {});
  if (nobody)
    return Error{Errc::unavailable,
                 "the supervisor does not answer at " + http +
                     ": updates flow without it; start it again (tocsinctl up) and repeat, or drain "
                     "an edge itself (tocsinctl drain --self --edge-http URL --token-file " +
                     cluster().supervisor.token_file + ")"};
  return answer;
}

Result<std::string> SupervisorClient::edge(const ClusterFile::Edge& edge, const std::string& method,
                                           const std::string& path, const std::string& body) {
  return ask(edge.id, method, edge.http + path, body);
}

Result<ClusterFile::Edge> SupervisorClient::find_edge(const std::string& id) const {
  std::vector<std::string> known;
  std::string list;
  for (const auto& edge : cluster().edges) {
    if (edge.id == id) return edge;
    known.push_back(edge.id);
    list += (list.empty() ? "" : ", ") + edge.id;
  }
  return Error{Errc::not_found, "there is no edge \"" + id + "\"" + config::did_you_mean(id, known) +
                                    " (the cluster has " + (list.empty() ? "none" : list) + ")"};
}

int complain_move(const Error& error) {
  switch (error.code) {
    case Errc::conflict:
      return complain(error.detail, kExitConflict);
    case Errc::unauthorized:
    case Errc::forbidden:
      return complain(error.detail, kExitFailure);
    default:
      return complain(error);
  }
}

}  // namespace tocsin::ops
