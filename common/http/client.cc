#include "common/http/client.h"

#include <libwebsockets.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "common/http/trampolines.h"
#include "common/http/url.h"
#include "common/loop/handles.h"

namespace tocsin::http {

Result<Url> parse_url(std::string_view text) {
  const Error bad{Errc::invalid_argument, "\"" + std::string(text) + "\" is no http:// or ws:// URL"};
  Url url;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return bad;
  url.scheme = text.substr(0, colon);
  if (url.scheme != "http" && url.scheme != "ws" && !url.secure()) return bad;
  if (url.secure()) url.port = 443;
  auto rest = text.substr(colon + 3);
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos) url.path = rest.substr(slash);
  auto authority = rest.substr(0, slash);
  const auto port = authority.rfind(':');
  if (port != std::string_view::npos) {
    const auto digits = authority.substr(port + 1);
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
    if (ec != std::errc{} || end != digits.data() + digits.size()) return bad;
    authority = authority.substr(0, port);
  }
  if (authority.empty()) return bad;
  url.host = authority;
  return url;
}

namespace {
/// What libwebsockets says, without the zero byte that it counts in.
std::string text_of(std::string_view said) { return std::string(said.substr(0, said.find('\0'))); }
}  // namespace

/// One request under way. Owns itself: it is freed when libwebsockets has let go of its connection and `done`
/// was told.
class Transfer {
 public:
  Transfer(Client& client, std::string method, Headers headers, std::string body, Client::Done done)
      : client_(&client),
        timer_(client.context_.loop()),
        method_(std::move(method)),
        headers_(std::move(headers)),
        body_(std::move(body)),
        done_(std::move(done)) {
    client.transfers_.insert(this);
  }
  ~Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// Before start().
  void pass_on(Client::Sink sink) { sink_ = std::move(sink); }

  void start(const std::string& url_text, std::chrono::milliseconds timeout) {
    timeout_ = timeout;
    wait();
    const auto url = parse_url(url_text);
    const auto flags = url ? client_->context_.connection_flags(*url) : Result<int>(url.error());
    if (!flags) {
      timer_.start(std::chrono::milliseconds{0}, [this, e = flags.error()] { give_up(e); });
      return;
    }
    lws_client_connect_info info{};
    const std::string host = url->host + ":" + std::to_string(url->port);
    info.context = client_->context_.native();
    info.vhost = client_->context_.client_vhost();
    const std::string address = address_of(url->host);
    info.address = address.c_str();
    info.port = url->port;
    info.path = url->path.c_str();
    info.host = host.c_str();
    info.method = method_.c_str();
    info.alpn = "http/1.1";
    info.ssl_connection = *flags;
    info.local_protocol_name = kHttpClientProtocol;
    info.opaque_user_data = this;
    info.pwsi = &wsi_;
    starting_ = true;
    lws_client_connect_via_info(&info);
    starting_ = false;
    if (wsi_ == nullptr)
      timer_.start(std::chrono::milliseconds{0}, [this] {
        give_up({Errc::unavailable, "the connection is refused"});
      });
  }

  int on_event(lws* wsi, lws_callback_reasons reason, std::string_view in) {
    switch (static_cast<int>(reason)) {
      case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return append_headers(wsi);
      case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return write_body(wsi);
      case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return on_headers(wsi);
      case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return on_body(in);
      case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return drain(wsi);
      case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        finish(response_);
        return -1;  // no pooling: the connection is closed
      case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        wsi_ = nullptr;
        if (starting_) return 0;  // start() sees that there is no connection
        give_up({Errc::unavailable, in.empty() ? "the connection failed" : text_of(in)});
        return 0;
      case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
        wsi_ = nullptr;
        give_up({Errc::unavailable, "the connection was closed before the answer was whole"});
        return 0;
      default:
        return 0;
    }
  }

  /// The Client is going: nobody is told any more.
  void abandon() {
    done_ = nullptr;
    client_ = nullptr;
    if (!telling_) release();
  }

 private:
  int append_headers(lws* wsi) {
    // `in` is a pointer into the library's buffer, `len` what is left of it; both come through last_in_.
    auto** p = static_cast<unsigned char**>(last_in_);
    unsigned char* const end = *p + last_len_;
    const auto add = [&](const std::string& name, const std::string& value) {
      const std::string with_colon = name + ":";
      return lws_add_http_header_by_name(wsi, reinterpret_cast<const unsigned char*>(with_colon.c_str()),
                                         reinterpret_cast<const unsigned char*>(value.c_str()),
                                         static_cast<int>(value.size()), p, end) == 0;
    };
    for (const auto& [name, value] : headers_)
      if (!add(name, value)) return -1;
    if (method_ == "GET" || method_ == "HEAD") return 0;
    if (!add("content-length", std::to_string(body_.size()))) return -1;
    if (!body_.empty()) {
      lws_client_http_body_pending(wsi, 1);
      lws_callback_on_writable(wsi);
    }
    return 0;
  }

  int write_body(lws* wsi) {
    if (sent_ == body_.size()) return 0;
    const std::size_t n = std::min<std::size_t>(body_.size() - sent_, 65'536);
    std::string chunk(LWS_PRE, '\0');
    chunk.append(body_, sent_, n);
    sent_ += n;
    const bool last = sent_ == body_.size();
    if (lws_write(wsi, reinterpret_cast<unsigned char*>(chunk.data()) + LWS_PRE, n,
                  last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
      return -1;
    if (last) {
      lws_client_http_body_pending(wsi, 0);
    } else {
      lws_callback_on_writable(wsi);
    }
    return 0;
  }

  int on_headers(lws* wsi) {
    response_.status = static_cast<std::uint16_t>(lws_http_client_http_response(wsi));
    std::array<char, 256> type{};
    if (lws_hdr_copy(wsi, type.data(), type.size(), WSI_TOKEN_HTTP_CONTENT_TYPE) > 0)
      response_.content_type = type.data();
    return 0;
  }

  int on_body(std::string_view in) {
    if (sink_ && done_ && response_.status == 200) {
      wait();
      if (sink_(in)) return 0;
      finish(response_);
      return -1;
    }
    if (response_.body.size() + in.size() > Client::kMaxBody) {
      give_up({Errc::too_large, "the answer is larger than this program takes"});
      return -1;
    }
    response_.body.append(in);
    return 0;
  }

  static int drain(lws* wsi) {
    std::string buffer(LWS_PRE + 16'384, '\0');
    char* p = buffer.data() + LWS_PRE;
    int n = static_cast<int>(buffer.size() - LWS_PRE);
    return lws_http_client_read(wsi, &p, &n) < 0 ? -1 : 0;
  }

  void wait() {
    timer_.start(timeout_, [this] { give_up({Errc::timeout, "no answer within the time"}); });
  }

  void give_up(Error error) { finish(std::move(error)); }

  void finish(Result<Response> result) {
    timer_.stop();
    auto done = std::exchange(done_, nullptr);
    telling_ = true;
    if (done) done(std::move(result));  // may destroy the Client
    telling_ = false;
    release();
  }

  /// Frees this once the library's connection is gone; asks for that otherwise.
  void release() {
    if (wsi_ != nullptr) {
      lws_set_timeout(wsi_, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
      return;
    }
    if (client_ != nullptr) client_->transfers_.erase(this);
    delete this;
  }

  friend int http_client_callback(lws*, lws_callback_reasons, void*, void*, size_t);

  Client* client_;
  loop::Timer timer_;
  lws* wsi_ = nullptr;
  bool starting_ = false;
  bool telling_ = false;
  const std::string method_;
  const Headers headers_;
  const std::string body_;
  std::size_t sent_ = 0;
  Response response_;
  Client::Sink sink_;
  std::chrono::milliseconds timeout_{0};
  Client::Done done_;
  void* last_in_ = nullptr;
  std::size_t last_len_ = 0;
};

int http_client_callback(lws* wsi, lws_callback_reasons reason, void* /*user*/, void* in, size_t len) {
  // Told to the first protocol of the context, whosever connection it is: a WebSocket's data is no Transfer.
  if (reason == LWS_CALLBACK_OPENSSL_PERFORM_SERVER_CERT_VERIFICATION) return 0;
  auto* transfer = static_cast<Transfer*>(lws_get_opaque_user_data(wsi));
  if (transfer == nullptr) return 0;
  transfer->last_in_ = in;
  transfer->last_len_ = len;
  const bool text =
      reason == LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ || reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR;
  if (reason == LWS_CALLBACK_CLOSED_CLIENT_HTTP || reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
    lws_set_opaque_user_data(wsi, nullptr);
  return transfer->on_event(wsi, reason, {static_cast<const char*>(in), text && in != nullptr ? len : 0});
}

Client::~Client() {
  for (Transfer* t : std::unordered_set<Transfer*>(transfers_)) t->abandon();
}

void Client::request(const std::string& method, const std::string& url, Headers headers, std::string body,
                     std::chrono::milliseconds timeout, Done done) {
  auto* transfer = new Transfer(*this, method, std::move(headers), std::move(body), std::move(done));
  transfer->start(url, timeout);
}

void Client::stream(const std::string& url, Headers headers, std::chrono::milliseconds silence, Sink sink,
                    Done done) {
  auto* transfer = new Transfer(*this, "GET", std::move(headers), {}, std::move(done));
  transfer->pass_on(std::move(sink));
  transfer->start(url, silence);
}

}  // namespace tocsin::http
