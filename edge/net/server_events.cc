// What libwebsockets calls, and what it means.
#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "common/log/audit.h"
#include "edge/codec/client_command.h"
#include "edge/net/deflate_offer.h"
#include "edge/net/server_state.h"
#include "edge/net/utf8.h"
#include "edge/session/gateway.h"

namespace tocsin::edge {
namespace {

constexpr std::string_view kStreamPath = "/v1/stream";
constexpr std::string_view kEventsPath = "/v1/events";
/// RSV1: the message is compressed.
constexpr unsigned char kCompressed = 0x40;
/// A close frame has room for 123 bytes of text.
constexpr std::size_t kCloseText = 123;
constexpr int kReadsPerTurn = 128;

std::string close_frame(CloseReason reason, std::string_view detail) {
  std::string text{detail.empty() ? describe(reason).text : detail};
  text.resize(std::min(text.size(), kCloseText));
  while (!text.empty() && !is_utf8(text)) text.pop_back();
  const unsigned code = describe(reason).code;
  std::string out = "\x88";
  out.push_back(static_cast<char>(text.size() + 2));
  out.push_back(static_cast<char>(code >> 8));
  out.push_back(static_cast<char>(code & 255));
  return out.append(text);
}

/// The library has chosen the first subprotocol of the client's list that is known here.
Door door_of(lws* wsi) {
  const lws_protocols* protocol = lws_get_protocol(wsi);
  return protocol != nullptr ? static_cast<Door>(protocol->id) : Door::json;
}

bool offers(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    std::string_view one = list.substr(0, comma);
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one == wanted) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

}  // namespace

int Server::State::on_event(lws* wsi, lws_callback_reasons reason, void* user, void* in, std::size_t size) {
  auto* state = static_cast<State*>(lws_context_user(lws_get_context(wsi)));
  switch (reason) {
    case LWS_CALLBACK_WSI_DESTROY:
      state->forget(static_cast<Connection*>(lws_get_opaque_user_data(wsi)));
      lws_set_opaque_user_data(wsi, nullptr);
      return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:  // the one moment at which the library shows
                                                               // its SSL_CTX
      return state->tls.adopt(static_cast<ssl_ctx_st*>(user), state->config) ? 0 : -1;
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
      return -1;  // CONNECT would turn a connection into a bare pipe
    default:
      break;
  }
  auto* c = wsi == nullptr ? nullptr : static_cast<Connection*>(lws_get_opaque_user_data(wsi));
  if (c == nullptr) return 0;
  if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE) return state->on_upgrade(*c, static_cast<const char*>(in));
  if (reason == LWS_CALLBACK_CONFIRM_EXTENSION_OKAY) return state->takes_offer(*c) ? 0 : -1;
  if (reason == LWS_CALLBACK_ADD_HEADERS)
    return finish_answer(*c, *static_cast<lws_process_html_args*>(in)), 0;
  return state->on_connection_event(*c, reason, {static_cast<const char*>(in), in == nullptr ? 0 : size});
}

int Server::State::on_connection_event(Connection& c, lws_callback_reasons reason, std::string_view bytes) {
  switch (reason) {
    case LWS_CALLBACK_RECEIVE:
      return on_receive(c, bytes);
    case LWS_CALLBACK_SERVER_WRITEABLE:
      return on_ws_writable(c);
    case LWS_CALLBACK_RECEIVE_PONG:
      if (c.known) gateway->pong(c.client);
      return 0;
    case LWS_CALLBACK_ESTABLISHED:
      return on_established(c);
    // Either is followed by the library's close frame, after which no data frame may come. A client that
    // answers our own close gets no second one.
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
      c.mute = true;
      return c.close_sent ? -1 : 0;
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
      c.mute = true;
      return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLOSED_HTTP:
      on_gone(c);
      return 0;
    case LWS_CALLBACK_HTTP:
      return on_http(c);
    case LWS_CALLBACK_HTTP_BODY:
      return http.on_body(c, bytes);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
      return http.on_body_end(c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
      return on_http_writable(c);
    default:
      return 0;
  }
}

int Server::State::on_upgrade(Connection& c, std::string_view to) {
  if (c.spent) return -1;
  c.done_in_time();
  auto head = read_request(c.wsi);
  HttpReply reply;
  std::string lower{to};
  for (char& letter : lower) letter = static_cast<char>(letter | 0x20);
  const std::string offered = offered_protocols(c.wsi);
  const std::string extensions = config.deflate ? offered_extensions(c.wsi) : std::string{};
  if (head) identify(c, *head);
  if (!head)
    reply = problem(head.error());
  else if (c.redirected || (config.https_only && !head->request.secure))
    return redirect(c, *head), -1;
  else if (c.retry_after != 0 || elsewhere() || over_limit(c, true))
    return refuse_new(c), -1;
  else if (lower != "websocket")
    reply = problem(Error{Errc::invalid_argument, "the only upgrade here is websocket"});
  else if (head->request.path != kStreamPath)
    reply = problem(Error{Errc::not_found, "WebSockets are at /v1/stream"});
  else if (head->request.method != "GET")
    reply = problem(Error{Errc::method_not_allowed, "a WebSocket opens with GET"});
  else if (auto allowed = may_open(c, *head); !allowed)
    reply = problem(allowed.error());
  else if (!offered.empty() && !offers(offered, kJsonProtocol) && !offers(offered, kProtoProtocol))
    reply = problem(
        Error{Errc::invalid_argument, "the subprotocols here are tocsin.v1.json and tocsin.v1.proto"});
  else if (extensions.size() > kMaxOffers)
    reply = problem(Error{Errc::invalid_argument, "too many extensions are offered"});
  else
    return c.offer = static_cast<std::uint8_t>(choose_offer(extensions, user_agent(c.wsi))), 0;
  (void)http.refuse(c, reply);
  return -1;
}

int Server::State::on_extension(lws_context*, const lws_extension*, lws*,
                                lws_extension_callback_reasons reason, void*, void* in, std::size_t) {
  static constexpr lws_ext_options kNone[] = {{nullptr, EXTARG_NONE}};
  // The answer's parameters are finish_answer's. The library would only repeat what was offered, and its
  // inflater loses the end of messages that shrink much: what is left in zlib when its buffer is full.
  if (reason == LWS_EXT_CB_CONSTRUCT && in != nullptr) *static_cast<const lws_ext_options**>(in) = kNone;
  return 0;
}

/// The library asks at each offer of permessage-deflate, in order.
bool Server::State::takes_offer(Connection& c) const {
  if (c.offer == 0 || --c.offer != 0) return false;
  c.deflate = true;
  metrics.net_deflating.add();
  return true;
}

/// The answer ends with the extension's line: our parameters belong to it. A server may demand both unasked
/// (RFC 7692, 7.1.1).
void Server::State::finish_answer(const Connection& c, lws_process_html_args& args) {
  constexpr std::string_view kName = "permessage-deflate\r\n";
  constexpr std::string_view kParameters = "; server_no_context_takeover; client_no_context_takeover\r\n";
  if (!c.deflate || args.max_len < static_cast<int>(kParameters.size()) ||
      std::memcmp(args.p - kName.size(), kName.data(), kName.size()) != 0)
    return;
  args.p -= 2;
  std::memcpy(args.p, kParameters.data(), kParameters.size());
  args.p += kParameters.size();
}

int Server::State::on_established(Connection& c) {
  c.done_in_time();
  c.kind = Connection::Kind::websocket;
  auto head = read_request(c.wsi);
  Opening opening = read_opening({door_of(c.wsi), c.deflate}, head ? *head : RequestHead{});
  opening.from = c.from;
  const auto client = gateway->open(&c, opening);
  if (client) {
    c.client = *client;
    c.known = true;
    return 0;
  }
  c.closing = c.mute = true;
  c.reason =
      client.error().code == Errc::unauthorized ? CloseReason::unauthenticated : CloseReason::try_later;
  c.detail = std::make_unique<std::string>(client.error().detail);
  c.be_done_by(closes, clock.steady() + config.handshake_timeout);
  lws_callback_on_writable(c.wsi);
  return 0;
}

/// Written here, since a close that begins in WRITEABLE is dropped by the library without its frame. The
/// client's answer, or the end of our patience, ends the connection. False: later, when the socket has taken
/// what is queued.
bool Server::State::send_close(Connection& c) {
  if (c.close_sent) return true;
  if (lws_partial_buffered(c.wsi) != 0) return false;
  c.close_sent = true;
  std::string frame = close_frame(c.reason, *c.detail);
  if (lws_write(c.wsi, reinterpret_cast<unsigned char*>(frame.data()), frame.size(), LWS_WRITE_RAW) < 0)
    lws_set_timeout(c.wsi, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
  return true;
}

/// Whether a page of this origin, under this Host, may have a connection that stays.
Status Server::State::may_open(const Connection& c, const RequestHead& head) {
  auto allowed = way_in.host_ok(head.host);
  if (allowed) allowed = way_in.origin_ok(head.origin);
  if (allowed) return allowed;
  metrics.net_origins_refused.add();
  const std::string from = c.from.text();
  log::audit({.action = "refuse",
              .outcome = describe(allowed.error().code).name,
              .who = "",
              .from = from,
              .what = head.origin,
              .why = allowed.error().detail});
  return allowed;
}

int Server::State::on_http(Connection& c) {
  // The library goes on reading after an answer that says `close`: where the body of a request that was
  // refused ends is not known, and what follows may be somebody else's words.
  if (c.spent) return -1;
  c.done_in_time();
  auto head = read_request(c.wsi);
  if (!head) return http.on_request(c, std::move(head));
  identify(c, *head);
  const HttpRequest& request = head->request;
  const bool in_plain = c.redirected || (config.https_only && !request.secure);
  if (in_plain && !answered_in_plain(request.path)) return redirect(c, *head);
  const bool always = http.is_health(request.path) || request.path.starts_with("/admin/") ||
                      request.path == "/metrics" || request.path == "/websocket/metrics";
  const bool events = request.path == kEventsPath && request.method == "GET";
  if (c.retry_after != 0 ? !always : events && elsewhere()) return refuse_new(c);
  if (!always && over_limit(c, events)) return refuse_new(c);
  if (!always)
    if (auto allowed = events ? may_open(c, *head) : way_in.request_origin_ok(head->origin); !allowed)
      return http.refuse(c, problem(allowed.error()));
  if (way_in.any_origin())
    head->allow_origin = "*";
  else if (way_in.request_origin_ok(head->origin))
    head->allow_origin = head->origin;
  if (events) return on_events_request(c, *head);
  if (request.path == kStreamPath) {
    HttpReply reply = problem(Error{Errc::invalid_argument, "this path speaks WebSocket: send an upgrade"});
    reply.status = 426;
    reply.headers.emplace_back("upgrade", "websocket");
    return http.refuse(c, reply);
  }
  return http.on_request(c, std::move(head));
}

int Server::State::refuse_new(Connection& c) {
  metrics.net_refused.add();
  const Errc code = !c.over && elsewhere()                                   ? Errc::unavailable
                    : !c.over || c.over->limit == Limit::cluster_connections ? Errc::overloaded
                                                                             : Errc::too_many;
  HttpReply reply =
      problem({code, c.over                      ? c.over->text
                     : code == Errc::unavailable ? "this edge sends its clients to others; come back there"
                                                 : "too many connections at once; come back later"});
  if (c.retry_after == 0) c.retry_after = static_cast<std::uint8_t>(admission.retry_after());
  if (code == Errc::overloaded && !c.over) {
    metrics.limited[Limit::connections].add();
    const std::string from = c.from.text();
    log::audit({.action = "refuse",
                .outcome = name_of(Limit::connections),
                .who = "",
                .from = from,
                .what = "",
                .why = reply.body});
  }
  std::erase_if(reply.headers, [](const auto& header) { return header.first == "retry-after"; });
  reply.headers.emplace_back("retry-after", std::to_string(c.over ? c.over->retry_after_s : c.retry_after));
  return http.refuse(c, reply);
}

int Server::State::on_events_request(Connection& c, const RequestHead& head) {
  Opening opening = read_opening({Door::sse}, head);
  if (auto query = parse_event_query(opening.query, opening.last_event_id); !query)
    return http.refuse(c, problem(query.error()));
  const auto client = gateway->open(&c, opening);
  if (!client) return http.refuse(c, problem(client.error()));
  c.client = *client;
  c.known = true;
  c.kind = Connection::Kind::events;
  lws_set_timeout(c.wsi, NO_PENDING_TIMEOUT, 0);
  std::string text = event_stream_head(http.hsts(HttpFront::is_secure(c)), head.allow_origin);
  if (lws_write(c.wsi, reinterpret_cast<unsigned char*>(text.data()), text.size(), LWS_WRITE_HTTP) < 0)
    return -1;
  hold_input(c);
  return 0;
}

int Server::State::on_receive(Connection& c, std::string_view bytes) {
  if (!c.known || c.mute) return 0;
  if (!std::exchange(c.receiving, true)) receiving.push_back(&c);
  const bool first = lws_is_first_fragment(c.wsi) != 0;
  const bool last = lws_is_final_fragment(c.wsi) != 0;
  if (first) c.inflate = c.deflate && (lws_get_reserved_bits(c.wsi) & kCompressed) != 0;
  if (first && last) {
    on_whole(c, bytes);
    return 0;
  }
  if (!c.partial) c.partial = std::make_unique<std::string>();
  if (first) c.partial->clear();
  if (c.partial->size() + bytes.size() > static_cast<std::size_t>(config.frame_max_bytes)) {
    c.partial.reset();
    gateway->reject(c.client, CloseReason::too_big, "a message is larger than limits.frame_max_bytes");
    return 0;
  }
  c.partial->append(bytes);
  if (!last) return 0;
  const auto message = std::exchange(c.partial, nullptr);
  on_whole(c, *message);
  return 0;
}

/// The library reads a small buffer per connection and turn of the loop, which keeps idle clients cheap and
/// would make a publisher slow: who has sent something is read again, until nothing more comes or it has had
/// its share of the turn.
void Server::State::read_on() {
  for (int round = 0; round < kReadsPerTurn && !receiving.empty(); ++round) {
    reading.swap(receiving);
    for (std::size_t i = 0; i < reading.size();
         ++i) {  // the library may close any of them meanwhile: forget() makes it null
      if (reading[i] == nullptr || !std::exchange(reading[i]->receiving, false) || reading[i]->mute) continue;
      lws_pollfd ready{lws_get_socket_fd(reading[i]->wsi), LWS_POLLIN, LWS_POLLIN};
      (void)lws_service_fd(context, &ready);
    }
    reading.clear();
  }
  for (Connection* c : receiving) c->receiving = false;
  receiving.clear();
}

void Server::State::on_whole(Connection& c, std::string_view bytes) {
  if (!c.inflate) return on_message(c, bytes);
  const auto message = inflater.inflate(bytes, static_cast<std::size_t>(config.frame_max_bytes));
  if (message) return on_message(c, *message);
  const bool large = message.error().code == Errc::too_large;
  gateway->reject(c.client, large ? CloseReason::too_big : CloseReason::bad_request, message.error().detail);
}

void Server::State::on_message(Connection& c, std::string_view message) {
  const bool binary = door_of(c.wsi) == Door::proto;
  if ((lws_frame_is_binary(c.wsi) != 0) != binary)
    return gateway->reject(
        c.client, CloseReason::bad_request,
        binary ? "tocsin.v1.proto takes binary frames only" : "tocsin.v1.json takes text frames only");
  if (!binary && !is_utf8(message))
    return gateway->reject(c.client, CloseReason::bad_request, "the message is not UTF-8");
  gateway->message(c.client, message);
}

int Server::State::on_ws_writable(Connection& c) {
  if (lws_partial_buffered(c.wsi) != 0) return 0;  // called again when that is out
  if (c.closing) (void)send_close(c);
  if (c.known && !c.mute) gateway->writable(c.client);
  return 0;
}

int Server::State::on_http_writable(Connection& c) {
  if (c.kind != Connection::Kind::events) return http.on_writable(c);
  if (lws_partial_buffered(c.wsi) != 0) return 0;
  if (c.closing) return -1;
  if (c.known && !c.mute) gateway->writable(c.client);
  hold_input(c);
  return 0;
}

/// A client of an event stream says nothing more. The library would not read its hang-up, yet be woken for it
/// for ever; nor does it look at writability while reading is held. So reading is held whenever nothing waits
/// to be written, and a hang-up is noticed at the next write.
void Server::State::hold_input(Connection& c) const {
  const bool hold = lws_partial_buffered(c.wsi) == 0 && !c.closing;
  lws_rx_flow_control(c.wsi, hold ? 0 : 1);
}

void Server::State::on_gone(Connection& c) {
  c.mute = true;
  if (std::exchange(c.known, false)) gateway->closed(c.client);
}

}  // namespace tocsin::edge
