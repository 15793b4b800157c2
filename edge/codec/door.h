#pragma once
// Door: the protocol a client speaks. Each is a codec in this folder: pure functions between bytes and
// commands or frames. Encoding: how a client's bytes are made; clients whose encodings, channels and filters
// are equal share them.
#include <cstdint>
#include <string_view>

namespace tocsin::edge {

enum class Door : std::uint8_t { json, proto, sse };

[[nodiscard]] constexpr std::string_view name_of(Door door) noexcept {
  return door == Door::json ? "json" : door == Door::proto ? "proto" : "sse";
}

struct Encoding {
  Door door = Door::json;
  bool deflate = false;  ///< permessage-deflate was agreed on: shared frames may be compressed
  bool operator==(const Encoding&) const = default;
};

}  // namespace tocsin::edge
