#include "common/http/server.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <unordered_set>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/http/trampolines.h"

namespace tocsin::http {
namespace {

constexpr std::size_t kWriteChunk = 65'536;
const lws_retry_bo_t kNoRetry{};

const std::array<lws_protocols, 2> kProtocols{
    {{"http", http_server_callback, sizeof(void*), 0, 0, nullptr, 0},
     {nullptr, nullptr, 0, 0, 0, nullptr, 0}}};

std::string header_text(lws* wsi, lws_token_indexes token) {
  const int n = lws_hdr_total_length(wsi, token);
  if (n <= 0) return {};
  std::string out(static_cast<std::size_t>(n) + 1, '\0');
  lws_hdr_copy(wsi, out.data(), static_cast<int>(out.size()), token);
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::string method_of(lws* wsi) {
  struct Row {
    lws_token_indexes token;
    const char* name;
  };
  constexpr std::array<Row, 6> kMethods{{{WSI_TOKEN_GET_URI, "GET"},
                                         {WSI_TOKEN_POST_URI, "POST"},
                                         {WSI_TOKEN_PUT_URI, "PUT"},
                                         {WSI_TOKEN_DELETE_URI, "DELETE"},
                                         {WSI_TOKEN_HEAD_URI, "HEAD"},
                                         {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}}};
  for (const auto& row : kMethods)
    if (lws_hdr_total_length(wsi, row.token) > 0) return row.name;
  return "";
}

std::string query_of(lws* wsi) {
  std::string out;
  std::array<char, 4096> part{};
  for (int i = 0;; ++i) {
    const int n = lws_hdr_copy_fragment(wsi, part.data(), part.size(), WSI_TOKEN_HTTP_URI_ARGS, i);
    if (n < 0) return out;
    if (i > 0) out.push_back('&');
    out.append(part.data(), static_cast<std::size_t>(n));
  }
}

Headers headers_of(lws* wsi) {
  struct Row {
    lws_token_indexes token;
    const char* name;
  };
  constexpr std::array<Row, 5> kKept{{{WSI_TOKEN_HTTP_AUTHORIZATION, "authorization"},
                                      {WSI_TOKEN_HTTP_CONTENT_TYPE, "content-type"},
                                      {WSI_TOKEN_HTTP_ACCEPT, "accept"},
                                      {WSI_TOKEN_HOST, "host"},
                                      {WSI_TOKEN_X_FORWARDED_FOR, "x-forwarded-for"}}};
  Headers out;
  for (const auto& row : kKept)
    if (auto text = header_text(wsi, row.token); !text.empty()) out.emplace_back(row.name, std::move(text));
  return out;
}

bool is_local(lws* wsi) {
  std::array<char, 64> peer{};
  lws_get_peer_simple(wsi, peer.data(), peer.size());
  const std::string_view from(peer.data());
  return (from.starts_with("127.") || from == "::1") && lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) <= 0 &&
         lws_hdr_total_length(wsi, WSI_TOKEN_X_FORWARDED_FOR) <= 0;
}

/// Whether the port can be bound, said in words: libwebsockets itself only says that it failed.
Status probe(const std::string& address, std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  const bool valid = ::inet_pton(AF_INET, address.c_str(), &a.sin_addr) == 1;
  const bool bound =
      valid && ::bind(fd, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0 && ::listen(fd, 1) == 0;
  const int why = errno;
  ::close(fd);
  if (!valid) return Error{Errc::invalid_argument, "\"" + address + "\" is no IPv4 address"};
  if (!bound)
    return Error{Errc::io,
                 address + ":" + std::to_string(port) + ": " + std::strerror(why) + "; choose another port"};
  return Done{};
}

}  // namespace

/// What the library's side knows of a Server; outlives it, since connections are closed on later turns.
class ServerDoor {
 public:
  explicit ServerDoor(Server::Handler handler) : handler_(std::move(handler)) {}

  void opened(lws* wsi) { connections_.insert(wsi); }
  void closed(lws* wsi) { connections_.erase(wsi); }
  [[nodiscard]] bool is_shut() const noexcept { return shut_; }
  void handle(const Request& request, const Responder& responder) {
    if (!shut_) handler_(request, responder);
  }
  void shut() {
    shut_ = true;
    for (lws* wsi : connections_) lws_set_timeout(wsi, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
  }

 private:
  Server::Handler handler_;
  std::unordered_set<lws*> connections_;  // each that has asked something
  bool shut_ = false;
};

/// One request and its answer. Lives until both the library and all Responders have let go of it.
class Exchange {
 public:
  Exchange(lws* wsi, ServerDoor& door) : wsi_(wsi), door_(door) {}
  ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Request request;

  void answer(Response response) {
    if (answered_) return;
    answered_ = true;
    response_ = std::move(response);
    if (wsi_ != nullptr) lws_callback_on_writable(wsi_);
  }
  /// Hands the complete request on.
  static void dispatch(const std::shared_ptr<Exchange>& self) {
    self->door_.handle(self->request, Responder(self));
  }
  void gone() noexcept { wsi_ = nullptr; }
  [[nodiscard]] bool answered() const noexcept { return answered_; }

  /// Sends what fits; the library's return value: non-zero closes the connection.
  int on_writable() {
    if (!answered_) return 0;
    if (!headers_sent_) return send_headers();
    const std::size_t left = response_.body.size() - sent_;
    const std::size_t n = std::min(left, kWriteChunk);
    std::string chunk(LWS_PRE, '\0');
    chunk.append(response_.body, sent_, n);
    const bool last = n == left;
    if (lws_write(wsi_, reinterpret_cast<unsigned char*>(chunk.data()) + LWS_PRE, n,
                  last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
      return -1;
    sent_ += n;
    if (!last) return lws_callback_on_writable(wsi_), 0;
    return lws_http_transaction_completed(wsi_) != 0 ? -1 : 0;
  }

 private:
  int send_headers() {
    std::string buffer(LWS_PRE + 4096, '\0');
    auto* const start = reinterpret_cast<unsigned char*>(buffer.data()) + LWS_PRE;
    auto* p = start;
    auto* const end = start + 4095;
    if (lws_add_http_common_headers(wsi_, response_.status, response_.content_type.c_str(),
                                    response_.body.size(), &p, end) != 0)
      return -1;
    for (const auto& [name, value] : response_.headers) {
      const std::string with_colon = name + ":";
      if (lws_add_http_header_by_name(wsi_, reinterpret_cast<const unsigned char*>(with_colon.c_str()),
                                      reinterpret_cast<const unsigned char*>(value.c_str()),
                                      static_cast<int>(value.size()), &p, end) != 0)
        return -1;
    }
    if (lws_finalize_write_http_header(wsi_, start, &p, end) != 0) return -1;
    headers_sent_ = true;
    if (request.method == "HEAD" || response_.body.empty())
      return lws_http_transaction_completed(wsi_) != 0 ? -1 : 0;
    lws_callback_on_writable(wsi_);
    return 0;
  }

  lws* wsi_;
  ServerDoor& door_;
  Response response_;
  bool answered_ = false;
  bool headers_sent_ = false;
  std::size_t sent_ = 0;
};

/// Shared by the copies of a Responder; the last of them to go answers for a handler that forgot.
struct Responder::Claim {
  explicit Claim(std::shared_ptr<Exchange> e) : exchange(std::move(e)) {}
  ~Claim() { exchange->answer({500, "application/json", {}, R"({"code":"internal"})"}); }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  std::shared_ptr<Exchange> exchange;
};

Responder::Responder(std::shared_ptr<Exchange> exchange)
    : claim_(std::make_shared<Claim>(std::move(exchange))) {}
void Responder::operator()(Response response) const { claim_->exchange->answer(std::move(response)); }

namespace {

/// What libwebsockets keeps for us per connection.
using Slot = std::shared_ptr<Exchange>*;

void forget(Slot& slot) {
  if (slot == nullptr) return;
  (*slot)->gone();
  delete slot;
  slot = nullptr;
}

ServerDoor& door_of(lws* wsi) { return *static_cast<ServerDoor*>(lws_get_vhost_user(lws_get_vhost(wsi))); }

int on_request(lws* wsi, Slot& slot, std::string_view path) {
  forget(slot);
  ServerDoor& door = door_of(wsi);
  if (door.is_shut()) return -1;
  door.opened(wsi);
  slot = new std::shared_ptr<Exchange>(std::make_shared<Exchange>(wsi, door));
  Request& request = (*slot)->request;
  request.method = method_of(wsi);
  request.path = path;
  request.query = query_of(wsi);
  request.headers = headers_of(wsi);
  request.local = is_local(wsi);
  const std::string length = header_text(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
  if (std::strtoull(length.c_str(), nullptr, 10) > Server::kMaxBody) {
    (*slot)->answer({413, "application/json", {{"connection", "close"}}, R"({"code":"too_large"})"});
    return 0;
  }
  const bool body_follows =
      (request.method == "POST" || request.method == "PUT") && !length.empty() && length != "0";
  if (!body_follows) Exchange::dispatch(*slot);
  return 0;
}

int on_body(Slot slot, std::string_view bytes) {
  if (slot == nullptr || (*slot)->answered()) return 0;
  auto& body = (*slot)->request.body;
  if (body.size() + bytes.size() > Server::kMaxBody) return -1;
  body.append(bytes);
  return 0;
}

}  // namespace

int http_server_callback(lws* wsi, lws_callback_reasons reason, void* user, void* in, size_t len) {
  auto* slot = static_cast<Slot*>(user);
  const std::string_view bytes(static_cast<const char*>(in), in != nullptr ? len : 0);
  switch (static_cast<int>(reason)) {
    case LWS_CALLBACK_HTTP:
      return on_request(wsi, *slot, bytes);
    case LWS_CALLBACK_HTTP_BODY:
      return on_body(*slot, bytes);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
      if (*slot != nullptr && !(**slot)->answered()) Exchange::dispatch(**slot);
      return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
      return *slot != nullptr ? (**slot)->on_writable() : 0;
    case LWS_CALLBACK_WSI_DESTROY:
      return door_of(wsi).closed(wsi), 0;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
      if (slot != nullptr) forget(*slot);
      return 0;
    default:
      return 0;
  }
}

Result<std::unique_ptr<Server>> Server::listen(Context& context, const std::string& address,
                                               std::uint16_t port, Handler handler) {
  if (auto free = probe(address, port); !free) return free.error();
  auto server = std::unique_ptr<Server>(new Server(std::move(handler)));
  server->address_ = address;
  lws_context_creation_info info{};
  info.port = port;
  info.iface = server->address_.c_str();
  info.protocols = kProtocols.data();
  info.vhost_name = "admin";
  info.retry_and_idle_policy = &kNoRetry;
  info.keepalive_timeout = 60;
  info.options =
      LWS_SERVER_OPTION_DISABLE_IPV6 | LWS_SERVER_OPTION_HTTP_HEADERS_SECURITY_BEST_PRACTICES_ENFORCE;
  info.user = server->door_.get();
  context.keep(server->door_);
  server->vhost_ = lws_create_vhost(context.native(), &info);
  const int real_port = server->vhost_ != nullptr ? lws_get_vhost_listen_port(server->vhost_) : 0;
  if (real_port <= 0)
    return Error{Errc::io,
                 "cannot listen on " + address + ":" + std::to_string(port) + "; choose another port"};
  server->port_ = static_cast<std::uint16_t>(real_port);
  return server;
}

Server::Server(Handler handler) : door_(std::make_shared<ServerDoor>(std::move(handler))) {}

Server::~Server() {
  door_->shut();
  if (vhost_ != nullptr) lws_vhost_destroy(vhost_);
}

}  // namespace tocsin::http
