#include "common/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace tocsin {
namespace {

std::string take(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value != nullptr ? value : "";
  ::unsetenv(name);
  return out;
}

std::int64_t number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc{} && end == text.data() + text.size() ? value : 0;
}

/// A status is one line of the protocol.
std::string line(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c == '\n') c = ' ';
  return out;
}

}  // namespace

ServiceManager::ServiceManager() {
  address_ = take("NOTIFY_SOCKET");
  const std::int64_t watchdog_us = number(take("WATCHDOG_USEC"));
  const std::string pid = take("WATCHDOG_PID");
  // '@' names a socket in the abstract namespace; anything else is a path.
  if (address_.size() < 2 || address_.size() >= sizeof(sockaddr_un::sun_path) ||
      (address_[0] != '/' && address_[0] != '@'))
    return;
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (watchdog_us > 0 && (pid.empty() || number(pid) == ::getpid())) every_ = Millis{watchdog_us / 2'000};
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::send(std::string_view message) const noexcept {
  if (socket_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (address_[0] == '@') to.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  (void)::sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), size);
}

void ServiceManager::ready(std::string_view status) {
  status_ = line(status);
  send("READY=1\nSTATUS=" + status_);
}

void ServiceManager::status(std::string_view status) {
  std::string text = line(status);
  if (text == status_) return;
  status_ = std::move(text);
  send("STATUS=" + status_);
}

void ServiceManager::stopping(std::string_view status, Millis grace) {
  status_ = line(status);
  // The message extends the time-out from now on, to no less than the unit says.
  send("STOPPING=1\nSTATUS=" + status_ + "\nEXTEND_TIMEOUT_USEC=" + std::to_string(grace.count() * 1'000));
}

void ServiceManager::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  send("RELOADING=1\nMONOTONIC_USEC=" +
       std::to_string(std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1'000));
}

void ServiceManager::beat(Instant now) {
  if (!every_ || (beaten_ != Instant{} && now - beaten_ < *every_)) return;
  beaten_ = now;
  send("WATCHDOG=1");
}

}  // namespace tocsin
