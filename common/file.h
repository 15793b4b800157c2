#pragma once
// Small files written whole. Blocking: for start-up and rare state, never on the data path. Any thread.
#include <sys/types.h>

#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin {

/// Writes beside `path`, syncs and renames: a reader sees the old file or the new one, whole. Fails with io;
/// the old file then stays.
[[nodiscard]] Status write_atomically(const std::string& path, std::string_view bytes, mode_t mode = 0644);

/// The first line of a file that holds a secret, without what ends it. Fails with io (unreadable) or
/// invalid_argument (empty).
[[nodiscard]] Result<std::string> read_secret(const std::string& path);

}  // namespace tocsin
