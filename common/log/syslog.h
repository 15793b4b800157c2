#pragma once
// Syslog: lines by UDP to a collector, RFC 5424, one datagram each. Nobody waits for the network: what the
// kernel does not take at once is counted and gone. The name is looked up when the first line goes out, and
// again a minute after a failure. Thread: the writer's.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/log/level.h"
#include "common/result.h"

namespace tocsin::log {

struct SyslogAddress {
  std::string host;
  std::string port;
};
/// "host:port", "[::1]:514". Fails with invalid_argument.
[[nodiscard]] Result<SyslogAddress> parse_syslog(std::string_view text);

/// <PRI>1 TIMESTAMP HOST APP PID MSGID - MSG
[[nodiscard]] std::string syslog_datagram(int facility, Level level, std::string_view timestamp,
                                          std::string_view host, std::string_view app,
                                          std::string_view event_type, std::string_view line);

class Syslog {
 public:
  Syslog(SyslogAddress address, int facility);
  ~Syslog();
  Syslog(const Syslog&) = delete;
  Syslog& operator=(const Syslog&) = delete;

  /// False when it was not sent. `line` as log::text() makes it.
  bool send(Level level, std::string_view event_type, std::string_view component, std::string_view line);

 private:
  [[nodiscard]] bool connect();

  const SyslogAddress address_;
  const int facility_;
  std::string host_;  ///< ours
  int fd_ = -1;
  std::chrono::steady_clock::time_point next_try_{};
};

}  // namespace tocsin::log
