#pragma once
// restore(): puts the log of an archive into a data folder (FORMAT.md section 4). The folder's broker must
// not run.
//
// Failing leaves the folder's log as it was. Blocking; a program of its own.
#include <cstdint>
#include <functional>
#include <string>

#include "broker/backup/manifest.h"
#include "common/result.h"

namespace tocsin::broker::backup {

enum class OtherCluster : std::uint8_t { refuse, take };

struct RestoreRequest {
  std::string archive;
  std::string data_dir;
  OtherCluster other_cluster = OtherCluster::refuse;
  std::function<std::uint64_t()> random;  ///< for epochs
};

struct Restored {
  Manifest manifest;
  std::uint64_t new_epochs = 0;   ///< channels whose clients are told that history was lost
  std::uint64_t kept_epochs = 0;  ///< channels that lost nothing
  std::string set_aside;          ///< where the log is that was there before; empty: there was none
};

/// Fails with corrupt, newer_schema, not_found (the archive), conflict (another cluster's), invalid_argument
/// (no folder of a broker), disk_full or io (the folder is in use, or cannot be written).
[[nodiscard]] Result<Restored> restore(const RestoreRequest& request);

}  // namespace tocsin::broker::backup
