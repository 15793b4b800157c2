#pragma once
// What a request says, read out of libwebsockets' header table. Only valid inside the callback of that
// request. Thread: the loop.
#include <cstdint>
#include <optional>
#include <string>

#include "edge/http_api/http_api.h"
#include "edge/net/way_in.h"
#include "edge/session/gateway.h"

struct lws;

namespace tocsin::edge {

/// How the body is announced.
enum class Framing : std::uint8_t { none, length, unsupported };

struct RequestHead {
  HttpRequest request;
  std::string last_event_id;
  std::string origin;
  std::string allow_origin;  ///< who may read the answer, in a browser: its own page's origin, or *
  std::string host;
  bool relayed = false;  ///< a header says that somebody sent it on
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
};

/// Fails with invalid_argument for a method or a content-length that cannot be understood.
[[nodiscard]] Result<RequestHead> read_request(lws* wsi);
/// What proxies wrote, whoever they are.
[[nodiscard]] Forwarded read_forwarded(lws* wsi);
/// The opening of a WebSocket or event stream: token from header or query, the query without it.
[[nodiscard]] Opening read_opening(Encoding encoding, const RequestHead& head);
/// The extensions a client offers, and what it says it is.
[[nodiscard]] std::string offered_extensions(lws* wsi);
[[nodiscard]] std::string user_agent(lws* wsi);
/// The subprotocols a client offers, as it wrote them; empty: none.
[[nodiscard]] std::string offered_protocols(lws* wsi);

}  // namespace tocsin::edge
