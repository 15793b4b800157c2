#include "edge/codec/ws_frame.h"

namespace tocsin::edge::ws {
namespace {

constexpr std::size_t kShort = 125;
constexpr std::size_t kMedium = 0xFFFF;

char byte_of(std::uint64_t v, unsigned shift) noexcept { return static_cast<char>((v >> shift) & 0xFFU); }

}  // namespace

std::size_t header_size(std::size_t payload) noexcept {
  return payload <= kShort ? 2 : payload <= kMedium ? 4 : 10;
}

void append_header(std::string& out, Opcode opcode, std::size_t size) {
  out.push_back(static_cast<char>(0x80U | static_cast<unsigned>(opcode)));
  if (size <= kShort) {
    out.push_back(static_cast<char>(size));
    return;
  }
  const bool medium = size <= kMedium;
  out.push_back(medium ? char{126} : char{127});
  for (unsigned shift = medium ? 16 : 64; shift > 0;) {
    shift -= 8;
    out.push_back(byte_of(size, shift));
  }
}

void append_text(std::string& out, std::string_view payload) {
  append_header(out, Opcode::text, payload.size());
  out.append(payload);
}

std::optional<View> read(std::string_view bytes) noexcept {
  if (bytes.size() < 2) return std::nullopt;
  const auto at = [&bytes](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  if ((at(0) & 0xF0U) != 0x80U || (at(1) & 0x80U) != 0) return std::nullopt;
  std::size_t header = 2;
  std::size_t size = at(1);
  if (size >= 126) {
    header = size == 126 ? 4 : 10;
    if (bytes.size() < header) return std::nullopt;
    size = 0;
    for (std::size_t i = 2; i < header; ++i) size = size << 8U | at(i);
  }
  if (bytes.size() - header < size) return std::nullopt;
  return View{static_cast<Opcode>(at(0) & 0x0FU), bytes.substr(header, size), header + size};
}

}  // namespace tocsin::edge::ws
