#pragma once
// What a token permits, by channel pattern: a channel's name (`incidents`), everything below a folder
// (`tenant-7/*`), or everything (`*`). Values and pure functions; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json.h"
#include "common/result.h"

namespace tocsin::auth {

enum class Action : std::uint8_t { subscribe, publish, admin };

inline constexpr std::size_t kMaxPatterns = 256;  ///< of one action
inline constexpr std::size_t kMaxPatternBytes =
    202;  ///< the longest channel name and what stands for all below

struct Permissions {
  std::vector<std::string> subscribe;
  std::vector<std::string> publish;
  std::vector<std::string> admin;

  [[nodiscard]] bool allow(Action action, std::string_view channel) const noexcept;
  /// Every channel there is and will be.
  [[nodiscard]] bool allow_all(Action action) const noexcept;
  bool operator==(const Permissions&) const = default;
};

/// A `*` stands for the rest, alone or behind a '/'; anywhere else it is invalid_argument, since nobody knows
/// what was meant.
[[nodiscard]] Status check_pattern(std::string_view pattern);

/// The claim's value: {"subscribe":["a","b/*"],"publish":[],"admin":[]} with any member absent, or a list (or
/// one text with spaces, as OAuth's `scope`) of "subscribe:a" words, in which words of other kinds are
/// somebody else's. Fails with invalid_argument.
[[nodiscard]] Result<Permissions> parse_permissions(const json::Value& claim);

}  // namespace tocsin::auth
