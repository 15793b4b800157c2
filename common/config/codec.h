#pragma once
// Codec<T>: how a config member of type T is read from text and printed again. print() gives what parse()
// takes. An error's detail is the end of a sentence that begins with the key: `must be from 1 to 65535, not
// 70000`.
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "common/result.h"

namespace tocsin::config {

/// Bounds of a number, of the length of a string, or of the length of a list.
struct Range {
  std::int64_t min = INT64_MIN;
  std::int64_t max = INT64_MAX;
};

/// Fails with invalid_argument: `must be {what}, not "{text}"`.
[[nodiscard]] Error refused(std::string_view what, std::string_view text);
/// "from 1 to 9", "at least 1", "at most 9"; empty when nothing is bounded.
[[nodiscard]] std::string range_text(Range range);

template <typename T>
struct Codec;

template <>
struct Codec<std::int64_t> {
  static std::string type() { return "integer"; }
  static Result<std::int64_t> parse(std::string_view s, Range r);
  static std::string print(std::int64_t v) { return std::to_string(v); }
};

template <>
struct Codec<std::chrono::milliseconds> {
  static std::string type() { return "milliseconds"; }
  static Result<std::chrono::milliseconds> parse(std::string_view s, Range r) {
    auto v = Codec<std::int64_t>::parse(s, r);
    if (!v) return v.error();
    return std::chrono::milliseconds{*v};
  }
  static std::string print(std::chrono::milliseconds v) { return std::to_string(v.count()); }
};

template <>
struct Codec<bool> {
  static std::string type() { return "boolean"; }
  static Result<bool> parse(std::string_view s, Range r);
  static std::string print(bool v) { return v ? "true" : "false"; }
};

template <>
struct Codec<std::string> {
  static std::string type() { return "string"; }
  static Result<std::string> parse(std::string_view s, Range r);
  static std::string print(const std::string& v) { return v; }
};

/// In YAML a sequence, elsewhere separated by commas; an item can therefore not contain one.
template <>
struct Codec<std::vector<std::string>> {
  static std::string type() { return "list"; }
  static Result<std::vector<std::string>> parse(std::string_view s, Range r);
  static std::string print(const std::vector<std::string>& v);
};

/// Specialise with `static constexpr auto kNames = std::to_array<std::string_view>({...})`, in the order of
/// the enum's values, which count from 0.
template <typename E>
struct EnumNames;

template <typename E>
requires std::is_enum_v<E>
struct Codec<E> {
  static constexpr auto& kNames = EnumNames<E>::kNames;

  static std::string type() {
    std::string out;
    for (const std::string_view name : kNames) out.append(out.empty() ? "" : " or ").append(name);
    return out;
  }
  static Result<E> parse(std::string_view s, Range) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
      if (kNames[i] == s) return static_cast<E>(i);
    return refused(type(), s);
  }
  static std::string print(E v) { return std::string{kNames[static_cast<std::size_t>(v)]}; }
};

}  // namespace tocsin::config
