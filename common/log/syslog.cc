#include "common/log/syslog.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <utility>

namespace tocsin::log {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kAgain{60};
/// What RFC 5426 wants receivers to take, and a datagram over IPv4 holds.
constexpr std::size_t kMaxDatagram = 8'192;
constexpr std::string_view kTimestamp = R"({"timestamp":")";
constexpr std::size_t kTimestampSize = 24;

int severity(Level level) noexcept {
  switch (level) {
    case Level::debug:
      return 7;
    case Level::info:
      return 6;
    case Level::warn:
      return 4;
    default:
      return 3;
  }
}

/// A header word: printable, no blanks, bounded.
std::string word(std::string_view s, std::size_t most) {
  std::string out;
  for (const char c : s.substr(0, most)) out.push_back(c > ' ' && c < 127 ? c : '_');
  return out.empty() ? "-" : out;
}

}  // namespace

Result<SyslogAddress> parse_syslog(std::string_view text) {
  const auto colon = text.rfind(':');
  SyslogAddress out;
  if (colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    out.host = host;
    out.port = text.substr(colon + 1);
  }
  const bool digits = out.port.find_first_not_of("0123456789") == std::string::npos && out.port.size() <= 5;
  if (out.host.empty() || out.port.empty() || !digits)
    return Error{Errc::invalid_argument, "log.syslog must be host:port, not \"" + std::string(text) + "\""};
  return out;
}

std::string syslog_datagram(int facility, Level level, std::string_view timestamp, std::string_view host,
                            std::string_view app, std::string_view event_type, std::string_view line) {
  std::string out = "<" + std::to_string(facility * 8 + severity(level)) + ">1 ";
  out.append(timestamp.empty() ? "-" : timestamp).append(" ").append(word(host, 255)).append(" ");
  out.append(word(app, 48)).append(" ").append(std::to_string(::getpid())).append(" ");
  out.append(word(event_type, 32)).append(" - ").append(line);
  if (out.size() > kMaxDatagram) out.resize(kMaxDatagram);
  return out;
}

Syslog::Syslog(SyslogAddress address, int facility) : address_(std::move(address)), facility_(facility) {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) host_ = name.data();
}

Syslog::~Syslog() {
  if (fd_ >= 0) ::close(fd_);
}

bool Syslog::connect() {
  const auto now = SteadyClock::now();
  if (now < next_try_) return false;
  next_try_ = now + kAgain;
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address_.host.c_str(), address_.port.c_str(), &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* at = found; at != nullptr && fd_ < 0; at = at->ai_next) {
    fd_ = ::socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd_ < 0 || ::connect(fd_, at->ai_addr, at->ai_addrlen) == 0) continue;
    ::close(fd_);
    fd_ = -1;
  }
  return fd_ >= 0;
}

bool Syslog::send(Level level, std::string_view event_type, std::string_view component,
                  std::string_view line) {
  if (fd_ < 0 && !connect()) return false;
  const bool stamped = line.starts_with(kTimestamp) && line.size() > kTimestamp.size() + kTimestampSize;
  const std::string datagram =
      syslog_datagram(facility_, level, stamped ? line.substr(kTimestamp.size(), kTimestampSize) : "", host_,
                      "tocsin-" + std::string(component), event_type, line);
  // A collector that is away answers one datagram with an error on the next: that one is tried again.
  for (int attempt = 0; attempt < 2; ++attempt)
    if (::send(fd_, datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0) return true;
  return false;
}

}  // namespace tocsin::log
