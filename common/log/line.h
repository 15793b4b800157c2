#pragma once
// The line of the log: one JSON object, {"timestamp","level","category","event_type","message","component",
// and of the fields those that have a place of their own, the rest in "metadata"}. Pure functions.
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "common/log/level.h"

namespace tocsin::log {

/// A member of the line. Borrows text: build it in the call. `session_id user_id connection_id namespace
/// event_name client_ip user_agent duration_ms error_code error_details` stand at the top, when they are not
/// empty.
struct Field {
  std::string_view key;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool> value;

  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(std::string_view{v}) {}
  Field(std::string_view k, const std::string& v) : key(k), value(std::string_view{v}) {}
  Field(std::string_view k, bool v) : key(k), value(v) {}
  Field(std::string_view k, double v) : key(k), value(v) {}
  template <std::signed_integral I>
  Field(std::string_view k, I v) : key(k), value(static_cast<std::int64_t>(v)) {}
  template <std::unsigned_integral I>
  requires(!std::same_as<I, bool>) Field(std::string_view k, I v)
      : key(k), value(static_cast<std::uint64_t>(v)) {}
};
using Fields = std::initializer_list<Field>;

/// What a line is about. Without an event its message names it: "the broker is away" is the_broker_is_away.
struct Topic {
  Category category = Category::system;
  std::string_view event_type;
};

struct Line {
  std::int64_t wall_ms = 0;
  Level level = Level::info;
  Topic topic;
  std::string_view component;
  std::string_view message;
  std::uint64_t sampled = 0;  ///< lines like it that were not written
};

/// Without the newline. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string text(const Line& line, Fields fields);
/// The message as a word: small letters, digits and '_', at most 48.
[[nodiscard]] std::string slug(std::string_view message);
/// "WARNING"
[[nodiscard]] std::string_view level_word(Level level) noexcept;

}  // namespace tocsin::log
