#pragma once
// Level and category of a log line, and their names in settings. What a line says in "level" is in the words
// of its readers (`grep -E "ERROR|WARN"`), see line.h.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/config/codec.h"

namespace tocsin::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };
/// Of one category: its own, or log.level.
enum class CategoryLevel : std::uint8_t { inherit, debug, info, warn, error, off };
/// What a line is about. `error`: a line of level error that belongs to none of the others.
enum class Category : std::uint8_t { connection, message, security, performance, error, system };

inline constexpr auto kCategoryNames =
    std::to_array<std::string_view>({"connection", "message", "security", "performance", "error", "system"});
inline constexpr std::size_t kCategories = kCategoryNames.size();

}  // namespace tocsin::log

template <>
struct tocsin::config::EnumNames<tocsin::log::Level> {
  static constexpr auto kNames = std::to_array<std::string_view>({"debug", "info", "warn", "error", "off"});
};
template <>
struct tocsin::config::EnumNames<tocsin::log::CategoryLevel> {
  static constexpr auto kNames =
      std::to_array<std::string_view>({"inherit", "debug", "info", "warn", "error", "off"});
};
