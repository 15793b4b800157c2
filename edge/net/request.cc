#include "edge/net/request.h"

#include <libwebsockets.h>

#include <charconv>
#include <string_view>

#include "edge/net/http_text.h"

namespace tocsin::edge {
namespace {

std::string header(lws* wsi, lws_token_indexes token) {
  const int length = lws_hdr_total_length(wsi, token);
  if (length <= 0) return {};
  std::string out(static_cast<std::size_t>(length) + 1, '\0');
  const int copied = lws_hdr_copy(wsi, out.data(), static_cast<int>(out.size()), token);
  out.resize(copied > 0 ? static_cast<std::size_t>(copied) : 0);
  return out;
}

std::string custom_header(lws* wsi, std::string_view name_with_colon) {
  const int name_length = static_cast<int>(name_with_colon.size());
  const int length = lws_hdr_custom_length(wsi, name_with_colon.data(), name_length);
  if (length <= 0) return {};
  std::string out(static_cast<std::size_t>(length) + 1, '\0');
  const int copied =
      lws_hdr_custom_copy(wsi, out.data(), static_cast<int>(out.size()), name_with_colon.data(), name_length);
  out.resize(copied > 0 ? static_cast<std::size_t>(copied) : 0);
  return out;
}

std::string query_of(lws* wsi, std::string* token) {
  constexpr std::string_view kToken = "access_token=";
  std::string query;
  const int length = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS);
  std::string argument(static_cast<std::size_t>(length > 0 ? length : 0) + 1, '\0');
  for (int i = 0; length > 0; ++i) {
    const int copied = lws_hdr_copy_fragment(wsi, argument.data(), static_cast<int>(argument.size()),
                                             WSI_TOKEN_HTTP_URI_ARGS, i);
    if (copied < 0) break;
    const std::string_view decoded{argument.data(), static_cast<std::size_t>(copied)};
    if (decoded.starts_with(kToken)) {
      if (token != nullptr) *token = decoded.substr(kToken.size());
    } else if (!decoded.empty()) {
      append_argument(query, decoded);
    }
  }
  return query;
}

std::string_view method_name(int method) noexcept {
  switch (method) {
    case LWSHUMETH_GET:
      return "GET";
    case LWSHUMETH_POST:
      return "POST";
    case LWSHUMETH_OPTIONS:
      return "OPTIONS";
    case LWSHUMETH_PUT:
      return "PUT";
    case LWSHUMETH_PATCH:
      return "PATCH";
    case LWSHUMETH_DELETE:
      return "DELETE";
    case LWSHUMETH_HEAD:
      return "HEAD";
    default:
      return {};
  }
}

bool contains_word(std::string text, std::string_view word) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  return text.find(word) != std::string::npos;
}

bool is_relayed(lws* wsi) {
  constexpr std::string_view kForwarded = "forwarded:";
  for (const auto token : {WSI_TOKEN_X_FORWARDED_FOR, WSI_TOKEN_HTTP_X_REAL_IP, WSI_TOKEN_HTTP_VIA})
    if (lws_hdr_total_length(wsi, token) > 0) return true;
  return lws_hdr_custom_length(wsi, kForwarded.data(), static_cast<int>(kForwarded.size())) > 0;
}

Status read_framing(lws* wsi, RequestHead& head) {
  if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
    head.framing = Framing::unsupported;
    return Done{};
  }
  const std::string text = header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
  if (text.empty()) {
    const std::string& method = head.request.method;
    const bool bare = head.request.path.starts_with("/admin/");  // an order may have no body
    if (!bare && (method == "POST" || method == "PUT" || method == "PATCH"))
      head.framing = Framing::unsupported;
    return Done{};
  }
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), head.content_length);
  // Above 2^53 nobody means it, and the library counts in signed 64 bits.
  if (failed != std::errc{} || end != text.data() + text.size() ||
      head.content_length > (std::uint64_t{1} << 53))
    return Error{Errc::invalid_argument, "content-length is not a length"};
  head.framing = Framing::length;
  return Done{};
}

}  // namespace

Result<RequestHead> read_request(lws* wsi) {
  RequestHead head;
  char* path = nullptr;
  int path_length = 0;
  head.request.method = method_name(lws_http_get_uri_and_method(wsi, &path, &path_length));
  if (head.request.method.empty() || path == nullptr)
    return Error{Errc::invalid_argument, "the method is not known"};
  append_encoded(head.request.path, {path, static_cast<std::size_t>(path_length)}, "/:@!$&'()*+,;=");
  head.request.query = query_of(wsi, &head.request.token);
  head.request.content_type = header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE);
  head.request.authorization = header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);
  if (const auto bearer = bearer_token(head.request.authorization); !bearer.empty())
    head.request.token = bearer;
  head.request.accept = header(wsi, WSI_TOKEN_HTTP_ACCEPT);
  if (head.request.method == "POST") head.request.traceparent = custom_header(wsi, "traceparent:");
  head.origin = header(wsi, WSI_TOKEN_ORIGIN);
  head.host = header(wsi, WSI_TOKEN_HOST);
  head.relayed = is_relayed(wsi);
  head.last_event_id = custom_header(wsi, "last-event-id:");
  head.expects_continue = contains_word(header(wsi, WSI_TOKEN_HTTP_EXPECT), "100-continue");
  const std::string connection = header(wsi, WSI_TOKEN_CONNECTION);
  const bool newer = header(wsi, WSI_TOKEN_HTTP).ends_with("1.1");
  head.keep_alive = newer ? !contains_word(connection, "close") : contains_word(connection, "keep-alive");
  if (auto framed = read_framing(wsi, head); !framed) return framed.error();
  return head;
}

Forwarded read_forwarded(lws* wsi) {
  return {header(wsi, WSI_TOKEN_X_FORWARDED_FOR), header(wsi, WSI_TOKEN_HTTP_X_REAL_IP),
          custom_header(wsi, "x-forwarded-proto:")};
}

Opening read_opening(Encoding encoding, const RequestHead& head) {
  Opening opening;
  opening.encoding = encoding;
  opening.query = head.request.query;
  opening.token = head.request.token;
  opening.last_event_id = head.last_event_id;
  opening.from = head.request.from;
  return opening;
}

std::string offered_extensions(lws* wsi) { return header(wsi, WSI_TOKEN_EXTENSIONS); }
std::string user_agent(lws* wsi) { return header(wsi, WSI_TOKEN_HTTP_USER_AGENT); }
std::string offered_protocols(lws* wsi) { return header(wsi, WSI_TOKEN_PROTOCOL); }

}  // namespace tocsin::edge
