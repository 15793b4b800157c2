#include "edge/net/way_in.h"

#include <algorithm>

namespace tocsin::edge {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return out;
}

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  return from == std::string_view::npos ? std::string_view{}
                                        : text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

/// Letters, digits, and what addresses are written with: nothing that could end a host's name early.
bool is_host(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.:[]") == std::string_view::npos;
}

/// `[::1]:80` -> `[::1]`, `80`; `a:80` -> `a`, `80`; `a` -> `a`, nothing.
std::pair<std::string_view, std::string_view> split_port(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto bracket = text.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
    return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// The last of a list that proxies append to.
std::string_view last_of(std::string_view list) {
  const auto comma = list.rfind(',');
  return trimmed(comma == std::string_view::npos ? list : list.substr(comma + 1));
}

}  // namespace

Result<WayIn::Pattern> WayIn::pattern_of(std::string_view text) {
  const std::string small = lower(trimmed(text));
  std::string_view rest = small;
  Pattern out;
  if (const auto end = rest.find("://"); end != std::string_view::npos) {
    out.scheme = rest.substr(0, end);
    rest.remove_prefix(end + 3);
  }
  const auto [host, port] = split_port(rest);
  out.port = port;
  std::string_view name = host;
  if (name == "*") {
    out.host = "*";
  } else if (name.starts_with("*.")) {
    name.remove_prefix(1);
    out.host = name;
  } else {
    out.host = name;
  }
  const bool good_port = port == "*" || port.find_first_not_of("0123456789") == std::string_view::npos;
  if ((out.host != "*" && !is_host(out.host)) || out.host == "." || !good_port)
    return Error{Errc::invalid_argument, "\"" + std::string(text) + "\" is no host's name"};
  return out;
}

bool WayIn::fits(const Pattern& pattern, const Pattern& asked) {
  if (pattern.scheme != asked.scheme) return false;
  if (pattern.port != "*" && pattern.port != asked.port) return false;
  if (pattern.host == "*") return true;
  if (!pattern.host.starts_with('.')) return pattern.host == asked.host;
  return asked.host.size() > pattern.host.size() && asked.host.ends_with(pattern.host) &&
         !asked.host.starts_with('.');
}

Result<WayIn> WayIn::make(const Config& config) {
  WayIn out;
  auto trusted = net::Networks::parse(config.proxy_trusted);
  if (!trusted) return Error{Errc::invalid_argument, "proxy.trusted: " + trusted.error().detail};
  out.trusted_ = *std::move(trusted);
  out.proxy_header_ = config.proxy_protocol == ProxyProtocol::required;
  if (out.proxy_header_ && out.trusted_.empty())
    return Error{Errc::invalid_argument,
                 "proxy.protocol needs proxy.trusted: the networks of the proxies that send it"};
  out.missing_origin_ = config.origin_missing;
  for (const auto& text : config.origin_allowed) {
    out.listed_ = true;
    out.null_origin_ = out.null_origin_ || lower(text) == "null";
    out.any_ = out.any_ || text == "*";
    if (text == "*" || lower(text) == "null") continue;
    auto pattern = pattern_of(text);
    if (!pattern) return Error{Errc::invalid_argument, "origin.allowed: " + pattern.error().detail};
    if (pattern->scheme.empty())
      return Error{Errc::invalid_argument,
                   "origin.allowed: \"" + text + "\" has no scheme; is https://" + text + " meant?"};
    out.origins_.push_back(*std::move(pattern));
  }
  for (const auto& text : config.listen_hosts) {
    auto pattern = pattern_of(text);
    if (!pattern) return Error{Errc::invalid_argument, "listen.hosts: " + pattern.error().detail};
    if (!pattern->scheme.empty())
      return Error{Errc::invalid_argument,
                   "listen.hosts: \"" + text + "\" is a URL; a host is named without scheme"};
    if (pattern->port.empty()) pattern->port = "*";
    out.hosts_.push_back(*std::move(pattern));
  }
  return out;
}

Caller WayIn::caller(const Caller& peer, const Forwarded& said) const {
  Caller out = peer;
  if (!trusts(peer.from)) return out;
  out.secure = out.secure || lower(last_of(said.proto)) == "https" || lower(last_of(said.proto)) == "wss";
  if (trimmed(said.for_list).empty()) {
    if (const auto real = net::IpAddress::parse_node(trimmed(said.real_ip))) out.from = *real;
    return out;
  }
  // Each hop was written by the one after it: as long as that one is trusted, so is what it says.
  std::string_view list = said.for_list;
  while (!list.empty() && trusts(out.from)) {
    const auto hop = net::IpAddress::parse_node(last_of(list));
    if (!hop) break;
    out.from = *hop;
    const auto comma = list.rfind(',');
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(0, comma);
  }
  return out;
}

Status WayIn::request_origin_ok(std::string_view origin) const {
  if (!listed_ || origin.empty()) return Done{};
  const auto refused = [] {
    return Error{Errc::forbidden, "pages of this origin may not connect here; see origin.allowed"};
  };
  if (any_) return Done{};
  if (origin == "null") return null_origin_ ? Status(Done{}) : Status(refused());
  const auto asked = pattern_of(origin);
  if (!asked || asked->scheme.empty() || asked->host == "*" || asked->host.starts_with('.') ||
      origin.find('*') != std::string_view::npos)
    return refused();
  for (const auto& pattern : origins_)
    if (fits(pattern, *asked)) return Done{};
  return refused();
}

Status WayIn::origin_ok(std::string_view origin) const {
  if (!origin.empty() || missing_origin_) return request_origin_ok(origin);
  return Error{Errc::forbidden, "a connection must name its Origin here; see origin.missing"};
}

Status WayIn::host_ok(std::string_view host) const {
  if (hosts_.empty()) return Done{};
  if (host.find('*') == std::string_view::npos && host.find('/') == std::string_view::npos) {
    const auto asked = pattern_of(host);
    if (asked && !asked->host.starts_with('.') &&
        std::any_of(hosts_.begin(), hosts_.end(), [&](const Pattern& p) { return fits(p, *asked); }))
      return Done{};
  }
  return Error{Errc::forbidden, "this edge is not reached under this Host; see listen.hosts"};
}

}  // namespace tocsin::edge
