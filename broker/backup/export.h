#pragma once
// export_json(): the connections and sessions of a backup as one JSON document, in the form that other
// systems' tools for WebSocket state read: metadata, connections, sessions, redis_sessions, with a file of
// metadata and an MD5 checksum beside it. For looking at and handing over; nothing is restored from it.
// Blocking; any thread.
#include <cstdint>
#include <string>

#include "common/result.h"

namespace tocsin::broker::backup {

struct ExportRequest {
  std::string archive;
  std::string folder;  ///< made when it is missing
  bool compressed = true;
  std::string session_prefix = "vedfolnir:session:";  ///< of the keys in redis_sessions
};

struct Exported {
  std::string id;  ///< full_20261121_143000
  std::string path;
  std::string metadata_path;
  std::uint64_t connections = 0;
  std::uint64_t sessions = 0;
};

/// Fails as walk() does, with io or disk_full; nothing is left behind then.
[[nodiscard]] Result<Exported> export_json(const ExportRequest& request);

}  // namespace tocsin::broker::backup
