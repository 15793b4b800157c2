#pragma once
// Structured logs: one JSON object per line, {"ts","level","component","msg", fields...}, to stderr or a
// file. One destination per process, set up once in main(); any thread may write afterwards. A line is one
// write(2): no queue, no thread. Never log per update: the data path counts (common/metrics), it does not
// write.
//
//   log::warn("the broker does not answer", {{"endpoint", endpoint}, {"silent_ms", ms}});
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "common/log/level.h"
#include "common/result.h"

namespace tocsin::log {

/// A member of the line. Borrows text: build it in the call.
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

struct Settings {
  std::string component;  ///< "broker", "edge-0": who speaks
  Level level = Level::info;
  std::string file;  ///< appended to; empty: stderr
};
/// Until it is called, warnings and errors go to stderr. Fails with io when the file cannot be opened; the
/// old destination then stays.
[[nodiscard]] Status configure(const Settings& settings);

void set_level(Level level) noexcept;
[[nodiscard]] bool enabled(Level level) noexcept;

void write(Level level, std::string_view msg, Fields fields = {});
inline void debug(std::string_view msg, Fields fields = {}) { write(Level::debug, msg, fields); }
inline void info(std::string_view msg, Fields fields = {}) { write(Level::info, msg, fields); }
inline void warn(std::string_view msg, Fields fields = {}) { write(Level::warn, msg, fields); }
inline void error(std::string_view msg, Fields fields = {}) { write(Level::error, msg, fields); }

/// The line as it is written, without the newline. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string line(std::int64_t wall_ms, Level level, std::string_view component,
                               std::string_view msg, Fields fields);

}  // namespace tocsin::log
