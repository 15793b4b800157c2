#pragma once
// Door: the protocol a client speaks. Each is a codec in this folder: pure functions between bytes and commands or frames.
#include <cstdint>
#include <string_view>

namespace tocsin::edge {

enum class Door : std::uint8_t { json, sse };

[[nodiscard]] constexpr std::string_view name_of(Door door) noexcept { return door == Door::json ? "json" : "sse"; }

}  // namespace tocsin::edge
