#pragma once
// ServiceManager: tells whoever started this process (systemd, or a test) that it is ready, stopping and
// alive: datagrams to $NOTIFY_SOCKET, as sd_notify(3) describes them. Without that variable every call does
// nothing, so programs call it unasked.
//
// Invariant: never blocks; a message that the socket does not take is lost, and the next heartbeat comes.
// The variables are taken out of the environment: what this process starts does not speak in its name.
// Thread: the loop's.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.h"

namespace tocsin {

class ServiceManager {
 public:
  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Once a process, at its start.
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// Serves; said once. `status` is one line for people.
  void ready(std::string_view status);
  /// One line for people; a repetition of the last is not sent.
  void status(std::string_view status);
  /// Leaves: `grace` is how long it may still take, so that the manager does not kill a drain.
  void stopping(std::string_view status, Millis grace);
  /// The settings are being read again (between reloading() and ready() the manager waits).
  void reloading();
  /// Called every tick: a heartbeat at half of the interval that the manager asks for.
  void beat(Instant now);

  [[nodiscard]] bool present() const noexcept { return socket_ >= 0; }

 private:
  void send(std::string_view message) const noexcept;

  int socket_ = -1;
  std::string address_;
  std::optional<Millis> every_;
  Instant beaten_{};
  std::string status_;
};

}  // namespace tocsin
