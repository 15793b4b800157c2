#pragma once
// Small files of a cluster folder: read whole, replaced whole. A reader sees the old bytes or the new ones, never a
// part: write_atomically() writes beside the file, syncs and renames. Blocking; start-up and supervisor only.
#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::ops {

/// The whole file. Fails with not_found, or io (the detail names the path and the system's reason).
[[nodiscard]] Result<std::string> read_file(const std::string& path, std::size_t max_bytes = std::size_t{16} << 20);

/// Replaces `path` with `bytes`. On failure (io, disk_full) the old file is as it was.
[[nodiscard]] Status write_atomically(const std::string& path, std::string_view bytes, mode_t mode = 0644);

/// Makes `path` and its parents. Fails with io when it is no folder or cannot be made.
[[nodiscard]] Status make_folder(const std::string& path, mode_t mode = 0755);

/// Fails with io, and a sentence for people, unless files can be made in the folder `path`.
[[nodiscard]] Status check_writable(const std::string& path);

/// The last line of a text file that is not blank; empty when there is none. Reads at most the last 16 KiB.
[[nodiscard]] std::string last_line(const std::string& path);

}  // namespace tocsin::ops
