#pragma once
// What of the logs is set by an operator: levels and files by category, rotation, syslog, the audit log. The
// rows are the same in every program that has a member `log::Settings` in its Config:
//
//   kOptions = config::joined(std::to_array({...}), log::rows<&Config::log>());
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "common/config/option.h"
#include "common/log/level.h"

namespace tocsin::log {

struct Settings {
  std::string component{};  ///< "broker", "edge-0": who speaks; no row
  Level level = Level::info;
  std::string file{};  ///< appended to; empty: stderr

  CategoryLevel connection_level = CategoryLevel::warn;
  CategoryLevel message_level = CategoryLevel::warn;
  CategoryLevel security_level = CategoryLevel::inherit;
  CategoryLevel performance_level = CategoryLevel::inherit;
  CategoryLevel error_level = CategoryLevel::inherit;
  CategoryLevel system_level = CategoryLevel::inherit;
  std::string connection_file{};
  std::string message_file{};
  std::string security_file{};
  std::string performance_file{};
  std::string error_file{};
  std::string system_file{};
  std::string audit_file{};

  std::int64_t rotate_bytes = 104'857'600;
  std::int64_t rotate_keep = 10;
  std::int64_t queue_bytes = 4'194'304;
  std::int64_t flood_per_s = 200;
  std::int64_t slow_ms = 250;
  std::string syslog{};
  std::int64_t syslog_facility = 16;
};

/// The same, spoken by `component`.
[[nodiscard]] inline Settings named(Settings settings, std::string component) {
  settings.component = std::move(component);
  return settings;
}

template <auto Log>
constexpr auto rows() {
  using config::Apply;
  using config::option_in;
  using S = Settings;
  constexpr auto kLive = Apply::live;
  constexpr std::int64_t kMost = 1LL << 40;
  return std::to_array({
      option_in<Log, &S::level>("log.level", "Least level of the lines written.", {}, kLive),
      option_in<Log, &S::file>(
          "log.file",
          "File that the JSON lines are appended to; {component} in it stands for who writes. "
          "Empty: standard error, where what a file does not take goes too.",
          {}, kLive),
      option_in<Log, &S::connection_level>("log.connection_level",
                                           "The same for lines about clients that come and go.", {}, kLive),
      option_in<Log, &S::connection_file>("log.connection_file", "Own file for them; empty: log.file.", {},
                                          kLive),
      option_in<Log, &S::message_level>("log.message_level", "The same for lines about what clients say.", {},
                                        kLive),
      option_in<Log, &S::message_file>("log.message_file", "Own file for them; empty: log.file.", {}, kLive),
      option_in<Log, &S::security_level>(
          "log.security_level", "The same for lines about keys, tokens, refusals and bans.", {}, kLive),
      option_in<Log, &S::security_file>("log.security_file", "Own file for them; empty: log.file.", {},
                                        kLive),
      option_in<Log, &S::performance_level>("log.performance_level",
                                            "The same for lines about load and delays.", {}, kLive),
      option_in<Log, &S::performance_file>("log.performance_file", "Own file for them; empty: log.file.", {},
                                           kLive),
      option_in<Log, &S::error_level>("log.error_level", "The same for errors of no other category.", {},
                                      kLive),
      option_in<Log, &S::error_file>("log.error_file", "Own file for them; empty: log.file.", {}, kLive),
      option_in<Log, &S::system_level>("log.system_level", "The same for everything else.", {}, kLive),
      option_in<Log, &S::system_file>("log.system_file", "Own file for them; empty: log.file.", {}, kLive),
      option_in<Log, &S::audit_file>(
          "log.audit_file",
          "File of the audit log: each authentication, subscription, refusal and order of an operator. Empty: "
          "refusals and orders only, among the security lines.",
          {}, kLive),
      option_in<Log, &S::rotate_bytes>(
          "log.rotate_bytes", "Size at which a log file is renamed to FILE.1 and begun anew; 0: never.",
          {.min = 0, .max = kMost}, kLive),
      option_in<Log, &S::rotate_keep>("log.rotate_keep", "Renamed files that are kept.",
                                      {.min = 1, .max = 1'000}, kLive),
      option_in<Log, &S::queue_bytes>(
          "log.queue_bytes", "Lines that may wait to be written; more are dropped, counted and told.",
          {.min = 65'536, .max = kMost}, kLive),
      option_in<Log, &S::flood_per_s>(
          "log.flood_per_s",
          "Lines of one event_type in a second above which only each hundredth is written; 0: all. The audit "
          "file is never thinned.",
          {.min = 0, .max = 1'000'000}, kLive),
      option_in<Log, &S::slow_ms>(
          "log.slow_ms",
          "A turn of the loop, a commit or a pass over the sockets that takes so long is told among the performance lines; 0: none is.",
          {.min = 0, .max = 3'600'000}, kLive),
      option_in<Log, &S::syslog>("log.syslog", "host:port that all lines go to as well, by UDP (RFC 5424).",
                                 {}, kLive),
      option_in<Log, &S::syslog_facility>("log.syslog_facility", "Facility there; 16 is local0.",
                                          {.min = 0, .max = 23}, kLive),
  });
}

}  // namespace tocsin::log
