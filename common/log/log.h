#pragma once
// Structured logs: one JSON object per line (common/log/line.h), by category to one stream or to files of
// their own, to syslog as well. One set of destinations per process, set up once in main(); any thread may
// write afterwards. A line is queued for the writer's thread: nobody waits for a disk. Never log per update:
// the data path counts (common/metrics), it does not write.
//
//   log::warn("the broker does not answer", {{"endpoint", endpoint}, {"silent_ms", ms}});
//   log::info({log::Category::connection, "connection_closed"}, "a client went", {{"client_ip", ip}});
#include <array>
#include <cstdint>
#include <string_view>

#include "common/log/level.h"
#include "common/log/line.h"
#include "common/log/settings.h"
#include "common/result.h"

namespace tocsin::log {

/// Until it is called, warnings and errors go to stderr, each written by its caller. Fails with
/// invalid_argument (log.syslog) and changes nothing then. A file that cannot be opened is no failure: its
/// lines go to stderr, with a complaint, until it can. May be called again: lines that wait go where they
/// were meant to.
[[nodiscard]] Status configure(const Settings& settings);
/// What configure() would say.
[[nodiscard]] Status check(const Settings& settings);

/// Files that were renamed or removed are opened anew, as logrotate asks with SIGHUP. Does not wait.
void reopen();
/// Waits until what was logged is written, five seconds at most.
void flush();

/// Of every category.
void set_level(Level level) noexcept;
[[nodiscard]] bool enabled(Level level, Category category = Category::system) noexcept;

/// log.slow_ms; see slow.h.
[[nodiscard]] std::int64_t slow_ms() noexcept;

void write(Level level, Topic topic, std::string_view message, Fields fields = {});
inline void debug(Topic t, std::string_view m, Fields f = {}) { write(Level::debug, t, m, f); }
inline void info(Topic t, std::string_view m, Fields f = {}) { write(Level::info, t, m, f); }
inline void warn(Topic t, std::string_view m, Fields f = {}) { write(Level::warn, t, m, f); }
inline void error(Topic t, std::string_view m, Fields f = {}) { write(Level::error, t, m, f); }
inline void debug(std::string_view m, Fields f = {}) { write(Level::debug, {}, m, f); }
inline void info(std::string_view m, Fields f = {}) { write(Level::info, {}, m, f); }
inline void warn(std::string_view m, Fields f = {}) { write(Level::warn, {}, m, f); }
inline void error(std::string_view m, Fields f = {}) { write(Level::error, {Category::error, {}}, m, f); }

/// What was logged since the process began.
struct Counts {
  std::array<std::uint64_t, kCategories> lines{};  ///< queued
  std::uint64_t audit_ok = 0, audit_refused = 0;   ///< audit calls, written or not
  std::uint64_t sampled = 0;                       ///< not written: too many of their kind
  std::uint64_t dropped = 0;                       ///< the queue was full
  std::uint64_t failed = 0;                        ///< a file did not take them; they went to stderr
  std::uint64_t syslog_lost = 0;
  std::uint64_t audit_lost = 0;  ///< of the dropped and failed ones: lines of the audit log
};
[[nodiscard]] Counts counts() noexcept;

}  // namespace tocsin::log
