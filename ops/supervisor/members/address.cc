#include "ops/supervisor/members/address.h"

#include <algorithm>
#include <charconv>

namespace tocsin::ops::members {
namespace {

Error refused(std::string_view item, std::string_view why) {
  return {Errc::invalid_argument, "members.edges: \"" + std::string(item) + "\" " + std::string(why) +
                                      "; give host:port, http://host:port or https://host:port"};
}

bool fits_host(std::string_view host, bool bracketed) {
  return !host.empty() && std::all_of(host.begin(), host.end(), [bracketed](char c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return word || c == '.' || (bracketed ? c == ':' : c == '-' || c == '_');
  });
}

Result<Address> parse(const std::string& item) {
  Address out;
  out.text = item;
  std::string_view rest = item;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos) {
    out.secure = rest.substr(0, scheme) == "https";
    if (!out.secure && rest.substr(0, scheme) != "http") return refused(item, "is neither http nor https");
    rest.remove_prefix(scheme + 3);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const auto colon = rest.rfind(':');
  const bool bracketed = rest.starts_with('[');
  const bool whole = bracketed && rest.ends_with(']');
  if (colon == std::string_view::npos || whole) return refused(item, "has no port");
  const std::string_view port = rest.substr(colon + 1);
  std::string_view host = rest.substr(0, colon);
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (failed != std::errc{} || end != port.data() + port.size() || out.port == 0)
    return refused(item, "has no port from 1 to 65535");
  if (bracketed && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!fits_host(host, bracketed)) return refused(item, "has no host");
  out.host = host;
  return out;
}

}  // namespace

std::string Address::url(const std::string& at) const {
  const bool ipv6 = at.find(':') != std::string::npos;
  return (secure ? "https://" : "http://") + (ipv6 ? "[" + at + "]" : at) + ":" + std::to_string(port);
}

Result<std::vector<Address>> parse_addresses(const std::vector<std::string>& items) {
  if (items.empty())
    return Error{
        Errc::invalid_argument,
        "members.edges is empty: say where the edges are, as edge:8080 (every address of the name) or "
        "one host:port each"};
  std::vector<Address> out;
  for (const std::string& item : items) {
    auto address = parse(item);
    if (!address) return address.error();
    const auto same = [&](const Address& other) {
      return other.url(other.host) == address->url(address->host);
    };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(*std::move(address));
  }
  return out;
}

}  // namespace tocsin::ops::members
