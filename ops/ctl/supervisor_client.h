#pragma once
// SupervisorClient: asks the supervisor's admin API, and an edge's, with the cluster's token. For commands
// that end; blocking.
#include <memory>
#include <string>

#include "ops/ctl/api.h"

namespace tocsin::ops {

class SupervisorClient {
 public:
  /// Reads cluster.json and the token it names. Fails with a sentence that says what to do.
  [[nodiscard]] static Result<std::unique_ptr<SupervisorClient>> open(const std::string& cluster,
                                                                      const std::string& ca);

  /// The body of the answer. Fails with unavailable when nobody answers, and with what was refused.
  [[nodiscard]] Result<std::string> supervisor(const std::string& method, const std::string& path,
                                               const std::string& body = {});
  [[nodiscard]] Result<std::string> edge(const ClusterFile::Edge& edge, const std::string& method,
                                         const std::string& path, const std::string& body = {});

  [[nodiscard]] const ClusterFile& cluster() const { return api_.cluster(); }
  /// Fails with not_found that names the edges there are, and which one was meant, perhaps.
  [[nodiscard]] Result<ClusterFile::Edge> find_edge(const std::string& id) const;

  SupervisorClient(ClusterFile cluster, std::string token, const http::Trust& trust)
      : api_(std::move(cluster), trust), token_(std::move(token)) {}

 private:
  [[nodiscard]] Result<std::string> ask(const std::string& who, const std::string& method,
                                        const std::string& url, const std::string& body);
  Api api_;
  std::string token_;
};

/// Says a refusal on stderr; returns the exit code that fits.
int complain_move(const Error& error);

}  // namespace tocsin::ops
