#pragma once
// Protobuf's wire format by hand, for the few messages that make up the traffic: the library spends more on
// its objects than the bytes are worth. https://protobuf.dev/programming-guides/encoding/
//
// Writing follows proto3: what has its default value is left out. Reading skips fields it does not know.
// Internal to proto. Values; any thread.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/json/json.h"

namespace tocsin::link::wire {

enum class Type : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t v) noexcept {
  std::size_t n = 1;
  for (; v >= 0x80; v >>= 7U) ++n;
  return n;
}
[[nodiscard]] constexpr std::uint64_t key_of(std::uint32_t field, Type type) noexcept {
  return std::uint64_t{field} << 3U | static_cast<std::uint64_t>(type);
}

/// A sink that only counts: the length of a nested message stands before it.
class Counter {
 public:
  void varint(std::uint64_t v) { size_ += varint_size(v); }
  void raw(std::string_view s) { size_ += s.size(); }
  void raw64(std::uint64_t) { size_ += 8; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7U) out_.push_back(static_cast<char>(v | 0x80U));
    out_.push_back(static_cast<char>(v));
  }
  void raw(std::string_view s) { out_.append(s); }
  void raw64(std::uint64_t v) {
    for (int i = 0; i < 8; ++i, v >>= 8U) out_.push_back(static_cast<char>(v & 0xFFU));
  }

 private:
  std::string& out_;
};

template <typename Sink>
void put_present(Sink& to, std::uint32_t field, std::uint64_t v) {
  to.varint(key_of(field, Type::varint));
  to.varint(v);
}
template <typename Sink>
void put_number(Sink& to, std::uint32_t field, std::uint64_t v) {
  if (v != 0) put_present(to, field, v);
}
template <typename Sink>
void put_fixed(Sink& to, std::uint32_t field, std::uint64_t v) {
  if (v == 0) return;
  to.varint(key_of(field, Type::fixed64));
  to.raw64(v);
}
/// What announces `size` bytes of a nested message, which follow.
template <typename Sink>
void put_length(Sink& to, std::uint32_t field, std::size_t size) {
  to.varint(key_of(field, Type::bytes));
  to.varint(size);
}
/// An element of a list: written even when it is empty.
template <typename Sink>
void put_element(Sink& to, std::uint32_t field, std::string_view s) {
  put_length(to, field, s.size());
  to.raw(s);
}
template <typename Sink>
void put_bytes(Sink& to, std::uint32_t field, std::string_view s) {
  if (!s.empty()) put_element(to, field, s);
}

struct Field {
  std::uint32_t number = 0;
  Type type{};
  std::uint64_t value = 0;  ///< of a varint or a fixed
  std::string_view bytes;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : at_(in.data()), end_(in.data() + in.size()) {}

  /// False at the end, and when the bytes are broken.
  bool next(Field& field) {
    if (at_ == end_ || broken_) return false;
    std::uint64_t key = 0;
    if (!varint(key) || key >> 3U == 0 || key >> 3U > 0x1FFFFFFFU) return fail();
    field.number = static_cast<std::uint32_t>(key >> 3U);
    field.type = static_cast<Type>(key & 7U);
    switch (field.type) {
      case Type::varint:
        return varint(field.value) || fail();
      case Type::fixed64:
        return fixed(field.value, 8) || fail();
      case Type::fixed32:
        return fixed(field.value, 4) || fail();
      case Type::bytes: {
        std::uint64_t size = 0;
        if (!varint(size) || size > static_cast<std::uint64_t>(end_ - at_)) return fail();
        field.bytes = {at_, static_cast<std::size_t>(size)};
        at_ += size;
        return true;
      }
    }
    return fail();
  }
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }

 private:
  bool fail() {
    broken_ = true;
    return false;
  }
  bool varint(std::uint64_t& out) {
    out = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7U) {
      const auto byte = static_cast<unsigned char>(*at_++);
      out |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }
  bool fixed(std::uint64_t& out, std::size_t size) {
    if (static_cast<std::size_t>(end_ - at_) < size) return false;
    out = 0;
    for (std::size_t i = 0; i < size; ++i)
      out |= std::uint64_t{static_cast<unsigned char>(at_[i])} << (8 * i);
    at_ += size;
    return true;
  }

  const char* at_;
  const char* end_;
  bool broken_ = false;
};

/// A field that holds text. False: it is not UTF-8, as protobuf demands.
[[nodiscard]] inline bool take_text(std::string_view bytes, std::string& out) {
  out = bytes;
  return json::valid_utf8(bytes);
}

}  // namespace tocsin::link::wire
