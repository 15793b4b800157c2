#include "common/http/ws_client.h"

#include <libwebsockets.h>

#include <utility>

#include "common/http/client.h"
#include "common/http/trampolines.h"
#include "common/http/url.h"
#include "common/loop/handles.h"

namespace tocsin::http {

class WsClientLink {
 public:
  WsClientLink(Context& context, WsClient::Events events)
      : context_(context), timer_(context.loop()), events_(std::move(events)) {}

  Status connect(const std::string& text, const std::string& subprotocol, Headers headers) {
    const auto url = parse_url(text);
    if (!url) return url.error();
    const auto flags = context_.connection_flags(*url);
    if (!flags) return flags.error();
    headers_ = std::move(headers);
    const std::string host = url->host + ":" + std::to_string(url->port);
    lws_client_connect_info info{};
    info.context = context_.native();
    info.vhost = context_.client_vhost();
    const std::string address = address_of(url->host);
    info.address = address.c_str();
    info.port = url->port;
    info.path = url->path.c_str();
    info.host = host.c_str();
    info.origin = host.c_str();
    info.protocol = subprotocol.empty() ? nullptr : subprotocol.c_str();
    info.local_protocol_name = kWsClientProtocol;
    info.ietf_version_or_minus_one = -1;
    info.alpn = "http/1.1";
    info.ssl_connection = *flags;
    info.opaque_user_data = this;
    info.pwsi = &wsi_;
    starting_ = true;
    lws_client_connect_via_info(&info);
    starting_ = false;
    if (wsi_ == nullptr)
      timer_.start(std::chrono::milliseconds{0}, [this] { ended(1006, "the connection is refused"); });
    return Done{};
  }

  void send(std::string_view text) {
    if (closed_) return;
    out_.push_back(std::string(LWS_PRE, '\0').append(text));
    if (open_) lws_callback_on_writable(wsi_);
  }

  void close(std::uint16_t code) {
    if (closed_) return;
    close_code_ = code;
    if (open_) {
      lws_callback_on_writable(wsi_);
    } else if (wsi_ != nullptr) {
      lws_set_timeout(wsi_, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
    }
  }

  /// The owner is gone.
  void abandon() {
    owned_ = false;  // the events stay in memory: one of them may be running
    if (wsi_ != nullptr) {
      lws_set_timeout(wsi_, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
    } else {
      delete this;
    }
  }

  int on_event(lws* wsi, lws_callback_reasons reason, void* in, std::size_t len) {
    switch (static_cast<int>(reason)) {
      case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return append_headers(wsi, static_cast<unsigned char**>(in), len);
      case LWS_CALLBACK_CLIENT_ESTABLISHED:
        open_ = true;
        if (owned_ && events_.on_open) events_.on_open();
        if (!out_.empty()) lws_callback_on_writable(wsi);
        return 0;
      case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_bytes(wsi, {static_cast<const char*>(in), len});
      case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writable(wsi);
      case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE: {
        const auto* p = static_cast<const unsigned char*>(in);
        if (len >= 2) {
          peer_code_ = static_cast<std::uint16_t>(p[0] << 8U | p[1]);
          peer_reason_.assign(static_cast<const char*>(in) + 2, len - 2);
        }
        return 0;
      }
      case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        wsi_ = nullptr;
        if (starting_) return 0;
        return ended(1006, in != nullptr ? std::string(static_cast<const char*>(in), len)
                                         : "the connection failed"),
               0;
      case LWS_CALLBACK_CLIENT_CLOSED:
        wsi_ = nullptr;
        return ended(peer_code_ != 0 ? peer_code_ : (close_code_ != 0 ? close_code_ : std::uint16_t{1006}),
                     peer_reason_),
               0;
      default:
        return 0;
    }
  }

 private:
  int append_headers(lws* wsi, unsigned char** p, std::size_t len) {
    unsigned char* const end = *p + len;
    for (const auto& [name, value] : headers_) {
      const std::string with_colon = name + ":";
      if (lws_add_http_header_by_name(wsi, reinterpret_cast<const unsigned char*>(with_colon.c_str()),
                                      reinterpret_cast<const unsigned char*>(value.c_str()),
                                      static_cast<int>(value.size()), p, end) != 0)
        return -1;
    }
    return 0;
  }

  int on_bytes(lws* wsi, std::string_view bytes) {
    message_.append(bytes);
    if (message_.size() > WsClient::kMaxMessage) {
      close_code_ = 1009;
      lws_close_reason(wsi, static_cast<lws_close_status>(close_code_), nullptr, 0);
      return -1;
    }
    if (lws_is_final_fragment(wsi) == 0 || lws_remaining_packet_payload(wsi) > 0) return 0;
    const std::string whole = std::exchange(message_, {});
    if (owned_ && events_.on_text) events_.on_text(whole);
    return 0;
  }

  int on_writable(lws* wsi) {
    if (!out_.empty()) {
      std::string frame = std::move(out_.front());
      out_.pop_front();
      if (lws_write(wsi, reinterpret_cast<unsigned char*>(frame.data()) + LWS_PRE, frame.size() - LWS_PRE,
                    LWS_WRITE_TEXT) < 0)
        return -1;
      lws_callback_on_writable(wsi);
      return 0;
    }
    if (close_code_ == 0) return 0;
    lws_close_reason(wsi, static_cast<lws_close_status>(close_code_), nullptr, 0);
    return -1;
  }

  void ended(std::uint16_t code, std::string_view reason) {
    open_ = false;
    closed_ = true;
    if (!owned_) {
      delete this;
      return;
    }
    // The callback may destroy the owner, and with it this: nothing is touched afterwards.
    if (auto on_close = std::exchange(events_.on_close, nullptr)) on_close(code, std::string(reason));
  }

  Context& context_;
  loop::Timer timer_;
  WsClient::Events events_;
  Headers headers_;
  lws* wsi_ = nullptr;
  bool starting_ = false;
  bool open_ = false;
  bool closed_ = false;
  bool owned_ = true;
  std::uint16_t close_code_ = 0;
  std::uint16_t peer_code_ = 0;
  std::string peer_reason_;
  std::string message_;
  std::deque<std::string> out_;
};

int ws_client_callback(lws* wsi, lws_callback_reasons reason, void* /*user*/, void* in, size_t len) {
  auto* link = static_cast<WsClientLink*>(lws_get_opaque_user_data(wsi));
  if (link == nullptr) return 0;
  if (reason == LWS_CALLBACK_CLIENT_CLOSED || reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
    lws_set_opaque_user_data(wsi, nullptr);
  return link->on_event(wsi, reason, in, len);
}

WsClient::WsClient(Context& context, Events events) : link_(new WsClientLink(context, std::move(events))) {}
WsClient::~WsClient() { link_->abandon(); }
Status WsClient::connect(const std::string& url, const std::string& subprotocol, Headers headers) {
  return link_->connect(url, subprotocol, std::move(headers));
}
void WsClient::send_text(std::string_view text) { link_->send(text); }
void WsClient::close(std::uint16_t code) { link_->close(code); }

}  // namespace tocsin::http
