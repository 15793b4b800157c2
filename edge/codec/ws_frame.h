#pragma once
// Frames of RFC 6455 as a server sends them: unmasked, FIN set, whole. Pure functions, any thread.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "edge/codec/door.h"

namespace tocsin::edge::ws {

enum class Opcode : std::uint8_t { text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// What a message of a WebSocket door is.
[[nodiscard]] constexpr Opcode opcode_of(Door door) noexcept {
  return door == Door::proto ? Opcode::binary : Opcode::text;
}

/// Shared by every keepalive. With a payload: libwebsockets 4.1 passes the pong of an empty ping on to
/// nobody.
inline constexpr std::string_view kPing{"\x89\x01k", 3};

/// Appends the header for a payload of `size` bytes: 2, 4 or 10 bytes.
void append_header(std::string& out, Opcode opcode, std::size_t size);
[[nodiscard]] std::size_t header_size(std::size_t payload) noexcept;
/// Appends header and payload.
void append_text(std::string& out, std::string_view payload);

/// One frame at the start of `bytes`, for tests and the simulation. nullopt when it is not whole or not a
/// server's frame.
struct View {
  Opcode opcode;
  std::string_view payload;
  std::size_t size;  ///< of the whole frame
};
[[nodiscard]] std::optional<View> read(std::string_view bytes) noexcept;

}  // namespace tocsin::edge::ws
