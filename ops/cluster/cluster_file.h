#pragma once
// cluster.json: where the processes of a running cluster are. The supervisor writes it, everybody else reads
// it; other people's tools rely on the members named here, so members are added, never renamed. Values; any
// thread.
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace tocsin::ops {

struct ClusterFile {
  struct Broker {
    pid_t pid = 0;
    std::string ingest;      ///< the link's endpoint, tcp://...; publishers speak to it too
    std::string http;        ///< health and metrics
    std::string public_key;  ///< CURVE key of the broker; empty: no encryption
  };
  struct Supervisor {
    pid_t pid = 0;
    std::string http;
    std::string token_file;  ///< holds the bearer token of the admin API
  };
  struct Edge {
    std::string id;
    pid_t pid = 0;
    std::string ws;
    std::string http;
  };

  Broker broker;
  Supervisor supervisor;
  std::vector<Edge> edges;
  std::string dir;              ///< the cluster's folder
  std::string client_key_file;  ///< CURVE keys of command line clients; empty: no encryption

  [[nodiscard]] std::string to_json() const;
  /// Fails with invalid_argument that names the member that is missing or of a wrong type.
  [[nodiscard]] static Result<ClusterFile> parse(std::string_view json);
};

/// Reads and parses `path`. Failures say what to do about them.
[[nodiscard]] Result<ClusterFile> load_cluster_file(const std::string& path);

/// The file that a command uses: `flag` when not empty, else $TOCSIN_CLUSTER, ./cluster.json, then the folder
/// that `tools/dev up` uses. Fails with not_found that lists what was tried.
[[nodiscard]] Result<std::string> find_cluster_file(const std::string& flag);

/// Both: the cluster that a command works with. Fails as they do.
[[nodiscard]] Result<ClusterFile> open_cluster(const std::string& flag);

/// Where `tools/dev up` keeps its cluster, seen from the project's root.
inline constexpr std::string_view kDevFolder = ".tocsin";

}  // namespace tocsin::ops
