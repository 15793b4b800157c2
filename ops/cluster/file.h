#pragma once
// Files and folders of a cluster, read and made; common/file.h replaces files whole. Blocking; start-up and
// supervisor only.
#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/file.h"
#include "common/result.h"

namespace tocsin::ops {

/// The whole file. Fails with not_found, or io (the detail names the path and the system's reason).
[[nodiscard]] Result<std::string> read_file(const std::string& path,
                                            std::size_t max_bytes = std::size_t{16} << 20);

/// Makes `path` and its parents. Fails with io when it is no folder or cannot be made.
[[nodiscard]] Status make_folder(const std::string& path, mode_t mode = 0755);

/// Fails with io, and a sentence for people, unless files can be made in the folder `path`.
[[nodiscard]] Status check_writable(const std::string& path);

/// The last line of a text file that is not blank; empty when there is none. Reads at most the last 16 KiB.
[[nodiscard]] std::string last_line(const std::string& path);

}  // namespace tocsin::ops
