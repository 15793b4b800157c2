#pragma once
// ProcessId: a pid together with when the process began, so that another process that got the same number
// later is never mistaken for it. Values; any thread.
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace tocsin::ops {

struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start = 0;  ///< field 22 of /proc/<pid>/stat: clock ticks since boot
  bool operator==(const ProcessId&) const = default;
};

/// The process that has this number now; nothing if there is none, or only its remains (a zombie).
[[nodiscard]] std::optional<ProcessId> identify(pid_t pid);
/// The same from the text of /proc/<pid>/stat; the command in it may hold any characters.
[[nodiscard]] std::optional<ProcessId> parse_stat(std::string_view text);

}  // namespace tocsin::ops
