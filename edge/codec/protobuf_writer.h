#pragma once
// Writes Protocol Buffers wire format by hand: shared bodies are joined to short prefixes without copies
// through generated classes. The tests read it back with those. Pure; any thread.
#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::edge::protobuf {

inline void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<char>(value | 0x80U));
  out.push_back(static_cast<char>(value));
}
[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  std::size_t size = 1;
  for (; value >= 0x80; value >>= 7U) ++size;
  return size;
}

/// Appends fields to a message. Fields without presence leave default values out, as proto3 wants it; the
/// others have `present_`.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void number(std::uint32_t field, std::uint64_t value) {
    if (value != 0) present_number(field, value);
  }
  void present_number(std::uint32_t field, std::uint64_t value) {
    append_varint(out_, field << 3U);
    append_varint(out_, value);
  }
  void fixed64(std::uint32_t field, std::uint64_t value) {
    if (value == 0) return;
    append_varint(out_, field << 3U | 1U);
    for (unsigned shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<char>(value >> shift));
  }
  void text(std::uint32_t field, std::string_view value) {
    if (!value.empty()) present_text(field, value);
  }
  /// A string or a message that is there although it may be empty.
  void present_text(std::uint32_t field, std::string_view value) {
    open(field, value.size());
    out_.append(value);
  }
  /// Tag and length of a field whose `size` bytes the caller appends.
  void open(std::uint32_t field, std::size_t size) {
    append_varint(out_, field << 3U | 2U);
    append_varint(out_, size);
  }

 private:
  std::string& out_;
};

}  // namespace tocsin::edge::protobuf
