#include "ops/supervisor/process_id.h"

#include <charconv>
#include <string>

#include "ops/cluster/file.h"

namespace tocsin::ops {

std::optional<ProcessId> parse_stat(std::string_view text) {
  ProcessId id;
  if (std::from_chars(text.data(), text.data() + text.size(), id.pid).ec != std::errc{}) return std::nullopt;
  const auto close = text.rfind(')');
  if (close == std::string_view::npos || close + 2 >= text.size()) return std::nullopt;
  std::string_view rest = text.substr(close + 2);  // from field 3, the state
  if (rest[0] == 'Z' || rest[0] == 'X') return std::nullopt;
  for (int field = 3; field < 22; ++field) {
    const auto space = rest.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(space + 1);
  }
  if (std::from_chars(rest.data(), rest.data() + rest.size(), id.start).ec != std::errc{})
    return std::nullopt;
  return id;
}

std::optional<ProcessId> identify(pid_t pid) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!text) return std::nullopt;
  return parse_stat(*text);
}

}  // namespace tocsin::ops
