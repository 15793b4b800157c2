#pragma once
// The folder of backups: names, what is there, and what may go. Other files in it are nobody's business here.
// Blocking; any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/backup/manifest.h"
#include "common/result.h"

namespace tocsin::broker::backup {

struct Entry {
  std::string path;
  std::uint64_t file_bytes = 0;
  std::optional<Manifest> manifest;
  std::string problem;  ///< why there is none
};

/// `configured`, or the folder "backups" beside the data folder when that is empty.
[[nodiscard]] std::string folder_for(const std::string& data_dir, const std::string& configured);

/// A name for a backup of this moment that no file has yet.
[[nodiscard]] std::string free_name(const std::string& folder, std::int64_t wall_ms);

/// The archives of a folder by their names, newest first; looks at manifests, not at rows. No folder: none.
/// Fails with io.
[[nodiscard]] Result<std::vector<Entry>> list(const std::string& folder);

struct Retention {
  std::uint64_t keep = 24;      ///< newest ones; 0: however many
  std::uint64_t keep_days = 0;  ///< 0: however old
};
struct Pruned {
  std::vector<std::string> removed;
  std::vector<std::string> leftovers;  ///< of runs that were killed
  std::uint64_t bytes = 0;
};
/// Removes what neither rule keeps. The newest backup that reads as one stays whatever the rules say, and
/// what does not read as one is left for people to look at, and does not count. A leftover is removed when
/// nobody has written to it for an hour. Fails with io; what was removed by then is gone.
[[nodiscard]] Result<Pruned> prune(const std::string& folder, const Retention& rules, std::int64_t now_ms,
                                   bool really);

}  // namespace tocsin::broker::backup
