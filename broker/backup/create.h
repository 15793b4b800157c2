#pragma once
// create(): a backup of a log, whether its broker runs or not (FORMAT.md section 3). Reads beside the writer
// and never holds it up for longer than its own last part; a pace keeps it from taking the disk.
//
// Failing leaves nothing behind. Blocking, for seconds to minutes: a thread or a program of its own.
#include <atomic>
#include <cstdint>
#include <string>

#include "broker/backup/manifest.h"
#include "common/result.h"

namespace tocsin::broker::backup {

/// Puts the calling thread behind everybody else, at the processor and at the disk, for good. What the system
/// refuses is done without.
void step_back();

struct CreateRequest {
  std::string data_dir;                          ///< the broker's folder
  std::string folder;                            ///< for the archive; made when it is missing
  std::uint64_t bytes_per_s = 0;                 ///< of rows, before compression; 0: as fast as it goes
  std::uint64_t reserve_bytes = 0;               ///< that the archive's disk must keep free
  const std::atomic<bool>* cancelled = nullptr;  ///< looked at every few milliseconds
};

struct Created {
  std::string path;
  std::uint64_t file_bytes = 0;
  Manifest manifest;
};

/// Fails with not_found (no log there), newer_schema, corrupt (the log is damaged), disk_full, io, or timeout
/// when it was cancelled.
[[nodiscard]] Result<Created> create(const CreateRequest& request);

}  // namespace tocsin::broker::backup
