#pragma once
// Level of a log line, and its names in settings: `config::option<&Config::log_level>("log.level", ...)`.
#include <array>
#include <cstdint>
#include <string_view>

#include "common/config/codec.h"

namespace tocsin::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };

}  // namespace tocsin::log

template <>
struct tocsin::config::EnumNames<tocsin::log::Level> {
  static constexpr auto kNames = std::to_array<std::string_view>({"debug", "info", "warn", "error", "off"});
};
