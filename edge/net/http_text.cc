#include "edge/net/http_text.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tocsin::edge {
namespace {

/// For answers that are data: nothing in them is to be run, framed or guessed at. The board brings its own
/// policy.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSafety{
    {{"x-content-type-options", "nosniff"},
     {"x-frame-options", "DENY"},
     {"referrer-policy", "no-referrer"},
     {"content-security-policy", "default-src 'none'; frame-ancestors 'none'"}}};

bool unreserved(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

bool fits_a_header(std::string_view text) noexcept {
  return text.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos;
}

void append_hsts(std::string& out, std::string_view hsts) {
  if (!hsts.empty() && fits_a_header(hsts))
    out.append("strict-transport-security: ").append(hsts).append("\r\n");
}

std::string cors_lines(std::string_view allow_origin) {
  if (allow_origin.empty() || !fits_a_header(allow_origin))
    return allow_origin.empty() ? "vary: origin\r\n" : "";
  std::string out = "access-control-allow-origin: ";
  out.append(allow_origin).append("\r\n");
  if (allow_origin != "*") out.append("vary: origin\r\n");
  return out;
}

std::string_view connection_line(KeepAlive keep_alive) noexcept {
  return keep_alive == KeepAlive::yes ? "connection: keep-alive\r\n" : "connection: close\r\n";
}

}  // namespace

std::string_view status_text(unsigned status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

std::string response_text(const HttpReply& reply, KeepAlive keep_alive, Body body, std::string_view hsts,
                          std::string_view allow_origin) {
  std::string out = "HTTP/1.1 " + std::to_string(reply.status);
  out.append(" ").append(status_text(reply.status)).append("\r\n");
  if (!reply.content_type.empty() && reply.status != 204)
    out.append("content-type: ").append(reply.content_type).append("\r\n");
  if (reply.status != 204)
    out.append("content-length: ").append(std::to_string(reply.body.size())).append("\r\n");
  for (const auto& [name, value] : reply.headers)
    if (fits_a_header(name) && fits_a_header(value))
      out.append(name).append(": ").append(value).append("\r\n");
  for (const auto& [name, value] : kSafety)
    if (std::none_of(reply.headers.begin(), reply.headers.end(),
                     [&n = name](const auto& h) { return h.first == n; }))
      out.append(name).append(": ").append(value).append("\r\n");
  append_hsts(out, hsts);
  out.append(cors_lines(allow_origin)).append(connection_line(keep_alive)).append("\r\n");
  if (body == Body::send && reply.status != 204) out.append(reply.body);
  return out;
}

std::string event_stream_head(std::string_view hsts, std::string_view allow_origin) {
  std::string out =
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nx-accel-buffering: no\r\n"
      "x-content-type-options: nosniff\r\n";
  append_hsts(out, hsts);
  return out.append(cors_lines(allow_origin)).append("connection: close\r\n\r\n");
}

std::string preflight_text(KeepAlive keep_alive, std::string_view allow_origin) {
  return "HTTP/1.1 204 No Content\r\nallow: GET, HEAD, POST, OPTIONS\r\n" + cors_lines(allow_origin) +
         "access-control-allow-methods: GET, HEAD, POST, OPTIONS\r\n"
         "access-control-allow-headers: authorization, content-type, last-event-id\r\naccess-control-max-age: 86400\r\n" +
         std::string(connection_line(keep_alive)) + "\r\n";
}

void append_encoded(std::string& out, std::string_view decoded, std::string_view keep) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  for (const char c : decoded) {
    if (unreserved(c) || keep.find(c) != std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kDigits[byte >> 4]);
    out.push_back(kDigits[byte & 15]);
  }
}

void append_argument(std::string& query, std::string_view decoded) {
  if (!query.empty()) query.push_back('&');
  const auto equals = decoded.find('=');
  append_encoded(query, decoded.substr(0, equals), "");
  if (equals == std::string_view::npos) return;
  query.push_back('=');
  append_encoded(query, decoded.substr(equals + 1), "");
}

std::string_view bearer_token(std::string_view authorization) noexcept {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if (static_cast<char>(authorization[i] | 0x20) != kScheme[i]) return {};
  return authorization.substr(kScheme.size());
}

}  // namespace tocsin::edge
