#include "common/net/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace tocsin::net {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view kText = "PROXY ";
constexpr std::size_t kMaxText = 107;
constexpr std::string_view kBinary{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t kBinaryHead = 16;
constexpr ProxyHeader kIncomplete{};
constexpr std::uint8_t kTlvSsl = 0x20;

ProxyHeader malformed() {
  ProxyHeader out;
  out.state = State::malformed;
  return out;
}

/// Up to the next space, which is cut off too.
std::string_view word(std::string_view& text) {
  const auto end = std::min(text.find(' '), text.size());
  const auto out = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return out;
}

bool is_port(std::string_view text) {
  unsigned value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc{} && end == text.data() + text.size() && value <= 65'535;
}

ProxyHeader read_text(std::string_view bytes) {
  const auto line = bytes.substr(0, kMaxText);
  const auto end = line.find('\n');
  if (end == std::string_view::npos) return bytes.size() >= kMaxText ? malformed() : kIncomplete;
  if (line[end - 1] != '\r') return malformed();
  ProxyHeader out;
  out.state = State::complete;
  out.size = end + 1;
  auto rest = line.substr(kText.size(), end - 1 - kText.size());
  const auto family = word(rest);
  if (family == "UNKNOWN") return out;
  const bool four = family == "TCP4";
  if (!four && family != "TCP6") return malformed();
  const auto from = IpAddress::parse(word(rest));
  const auto to = IpAddress::parse(word(rest));
  if (!from || !to || from->is_v4() != four || !is_port(word(rest)) || !is_port(word(rest)) || !rest.empty())
    return malformed();
  out.from = *from;
  return out;
}

/// Whether the additions say that the client speaks TLS. Those that are cut short are not believed.
bool says_secure(std::string_view additions) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(additions[i]); };
  while (additions.size() >= 3) {
    const std::size_t size = (std::size_t{byte(1)} << 8U) | byte(2);
    if (size + 3 > additions.size()) return false;
    if (byte(0) == kTlvSsl) return size >= 1 && (byte(3) & 1U) != 0;
    additions.remove_prefix(size + 3);
  }
  return false;
}

ProxyHeader read_binary(std::string_view bytes) {
  if (bytes.size() < kBinaryHead) return kIncomplete;
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const unsigned version = byte(12) >> 4U;
  const unsigned command = byte(12) & 15U;
  const std::size_t size = (std::size_t{byte(14)} << 8U) | byte(15);
  if (version != 2 || command > 1 || kBinaryHead + size > kMaxProxyHeader) return malformed();
  if (bytes.size() < kBinaryHead + size) return kIncomplete;
  ProxyHeader out;
  out.state = State::complete;
  out.size = kBinaryHead + size;
  if (command == 0) return out;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data()) + kBinaryHead;
  std::size_t used = 0;
  switch (byte(13)) {
    case 0x11:
      used = 12;
      if (size < used) return malformed();
      out.from = IpAddress::v4(std::span<const std::uint8_t, 4>(data, 4));
      break;
    case 0x21: {
      used = 36;
      if (size < used) return malformed();
      IpAddress::Bytes from{};
      std::copy_n(data, from.size(), from.begin());
      out.from = IpAddress(from);
      break;
    }
    default:  // UNSPEC, datagrams, Unix sockets: no address of a client of ours
      return out;
  }
  out.secure = says_secure(bytes.substr(kBinaryHead + used, size - used));
  return out;
}

}  // namespace

ProxyHeader read_proxy_header(std::string_view bytes) {
  const auto begins = [&](std::string_view with) {
    const auto size = std::min(bytes.size(), with.size());
    return bytes.substr(0, size) == with.substr(0, size);
  };
  if (begins(kBinary)) return bytes.size() < kBinary.size() ? kIncomplete : read_binary(bytes);
  if (begins(kText)) return bytes.size() < kText.size() ? kIncomplete : read_text(bytes);
  return malformed();
}

}  // namespace tocsin::net
