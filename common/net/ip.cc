#include "common/net/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tocsin::net {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kMappedBits = 96;

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

IpAddress IpAddress::v4(std::span<const std::uint8_t, 4> bytes) noexcept {
  IpAddress out;
  std::copy(kMapped.begin(), kMapped.end(), out.bytes_.begin());
  std::copy(bytes.begin(), bytes.end(), out.bytes_.begin() + kMapped.size());
  return out;
}

IpAddress IpAddress::of(const sockaddr_storage& address) noexcept {
  IpAddress out;
  if (address.ss_family == AF_INET) {
    std::array<std::uint8_t, 4> four{};
    std::memcpy(four.data(), &reinterpret_cast<const sockaddr_in&>(address).sin_addr, four.size());
    return v4(four);
  }
  if (address.ss_family == AF_INET6)
    std::memcpy(out.bytes_.data(), &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr,
                out.bytes_.size());
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.empty() || text.size() >= sizeof terminated) return {};
  text.copy(terminated, text.size());
  std::array<std::uint8_t, 4> four{};
  if (inet_pton(AF_INET, terminated, four.data()) == 1) return v4(four);
  IpAddress out;
  if (inet_pton(AF_INET6, terminated, out.bytes_.data()) == 1) return out;
  return {};
}

std::optional<IpAddress> IpAddress::parse_node(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return {};
    const auto rest = text.substr(end + 1);
    if (!rest.empty() && !(rest.front() == ':' && is_port(rest.substr(1)))) return {};
    const auto inside = text.substr(1, end - 1);
    return inside.find(':') != std::string_view::npos ? parse(inside) : std::nullopt;
  }
  const auto colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos &&
      is_port(text.substr(colon + 1)))
    text = text.substr(0, colon);
  return parse(text);
}

bool IpAddress::is_v4() const noexcept { return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin()); }

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes_[kMapped.size()] == 127;
  Bytes one{};
  one.back() = 1;
  return bytes_ == one;
}

IpAddress IpAddress::prefix(unsigned bits) const noexcept {
  IpAddress out = *this;
  for (unsigned i = 0; i < out.bytes_.size(); ++i) {
    const unsigned from = i * 8;
    if (from >= bits)
      out.bytes_[i] = 0;
    else if (bits - from < 8)
      out.bytes_[i] &= static_cast<std::uint8_t>(0xff00U >> (bits - from));
  }
  return out;
}

std::string IpAddress::text() const {
  if (!known()) return "unknown";
  char out[INET6_ADDRSTRLEN] = {};
  if (is_v4())
    inet_ntop(AF_INET, bytes_.data() + kMapped.size(), out, sizeof out);
  else
    inet_ntop(AF_INET6, bytes_.data(), out, sizeof out);
  return out;
}

Result<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address)
    return Error{Errc::invalid_argument,
                 "\"" + std::string(text) + "\" is no IP address or network (10.0.0.0/8)"};
  const unsigned before = address->is_v4() ? kMappedBits : 0;
  Network out;
  if (slash != std::string_view::npos) {
    const auto number = text.substr(slash + 1);
    const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), out.bits_);
    if (failed != std::errc{} || end != number.data() + number.size() || out.bits_ > 128 - before)
      return Error{Errc::invalid_argument,
                   "\"" + std::string(text) + "\": the prefix is from 0 to " + std::to_string(128 - before)};
    out.bits_ += before;
  }
  out.base_ = address->prefix(out.bits_);
  if (out.base_ != *address)
    return Error{Errc::invalid_argument, "\"" + std::string(text) + "\" has bits behind its prefix; is " +
                                             out.base_.text() + std::string(text.substr(slash)) + " meant?"};
  return out;
}

Result<Networks> Networks::parse(const std::vector<std::string>& list) {
  Networks out;
  for (const auto& one : list) {
    auto network = Network::parse(one);
    if (!network) return network.error();
    out.networks_.push_back(*network);
  }
  return out;
}

bool Networks::contains(const IpAddress& address) const noexcept {
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const Network& network) { return network.contains(address); });
}

}  // namespace tocsin::net
