#pragma once
// WsClient: one outgoing WebSocket connection for text messages, as tocsinctl's live view needs it. It does
// not reconnect: whoever owns it decides when and where.
//
// Invariant: on_close comes exactly once after connect(), whatever happens, and nothing after it; not from
// the destructor. Thread: the loop's.
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/http/context.h"
#include "common/http/message.h"
#include "common/result.h"

struct lws;

namespace tocsin::http {

class WsClientLink;

class WsClient {
 public:
  struct Events {
    std::function<void()> on_open;
    std::function<void(std::string_view)> on_text;  ///< one whole message
    std::function<void(std::uint16_t code, std::string_view reason)>
        on_close;  ///< 1006: without a Close frame, or never open
  };
  static constexpr std::size_t kMaxMessage = 64U << 20U;  ///< bytes; a longer one closes with 1009

  WsClient(Context& context, Events events);
  ~WsClient();
  WsClient(const WsClient&) = delete;
  WsClient& operator=(const WsClient&) = delete;

  /// Once. Fails with invalid_argument for the URL; what fails later comes through on_close.
  Status connect(const std::string& url, const std::string& subprotocol, Headers headers);
  /// Queued until the connection is open.
  void send_text(std::string_view text);
  /// Says goodbye; on_close follows.
  void close(std::uint16_t code);

 private:
  WsClientLink* link_;  // frees itself when libwebsockets has let go of the connection
};

}  // namespace tocsin::http
