#include "edge/net/server.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "common/log/log.h"
#include "edge/limits/limits.h"
#include "edge/net/received.h"
#include "edge/net/server_state.h"
#include "edge/net/tls.h"
#include "edge/session/gateway.h"

namespace tocsin::edge {
namespace {

/// One write sends at most this much without a copy; edge/hub cuts its batches to it. Protocols below say the
/// same.
constexpr std::size_t kBatch = 65'536;
/// Over TLS the same, and one record: a stalled client holds at most one in the library and one in OpenSSL.
constexpr std::size_t kRecord = 16'384;
/// Read buffer per client: longer messages come in several pieces, at 25 % more CPU for 200 bytes than with
/// 128. The library's own default costs 4 KiB per client.
constexpr std::size_t kReadBuffer = 64;
/// Longest wait for a slow client to take what is queued and answer our close.
constexpr Millis kClosePatience{5'000};
/// The library closes its handles in the turns that follow its first destroy call, and frees itself in the
/// second.
constexpr int kClosingTurns = 8;
constexpr int kHandshakeSeconds = 10;
constexpr std::size_t kManyClients = 1'000;
constexpr Millis kTrimAfter{7'000};
constexpr int kIdleSeconds = 65;
/// Descriptors beside the clients': link, log, listener, loop, library.
constexpr rlim_t kOwnDescriptors = 256;
/// Connections beyond those that are served, which are told so.
constexpr std::size_t kRefusalRoom = 128;

/// All zero: the library keeps no validity timer per connection. Its timers are one sorted list, walked on
/// every PONG.
constexpr lws_retry_bo_t kNoRetry{};

const lws_protocols kProtocols[] = {
    {Server::State::kJsonProtocol, &Server::State::on_event, 0, kReadBuffer, 0, nullptr,
     kBatch},  // also when none is offered
    {Server::State::kProtoProtocol, &Server::State::on_event, 0, kReadBuffer,
     static_cast<unsigned>(Door::proto), nullptr, kBatch},
    {nullptr, nullptr, 0, 0, 0, nullptr, 0},
};

const lws_extension kExtensions[] = {
    {"permessage-deflate", &Server::State::on_extension, "permessage-deflate"},
    {nullptr, nullptr, nullptr},
};

std::size_t room_for(const Config& config) {
  rlimit limit{};
  const auto wanted = static_cast<std::size_t>(config.clients_max);
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return wanted;
  // Better an answer from here than a reset for want of a descriptor.
  const auto own = std::min<rlim_t>(kOwnDescriptors, limit.rlim_cur / 4);
  return std::min(wanted, static_cast<std::size_t>(limit.rlim_cur - own));
}

Connection* connection_of(Socket socket) { return static_cast<Connection*>(socket); }

/// Sends what the kernel takes now; past the library, whose own bookkeeping costs a tenth of a small send.
/// -1: the socket is broken.
ssize_t send_now(int fd, std::string_view bytes) {
  const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : sent;
}

void log_line(int, const char* line) {
  std::string_view text{line};
  while (text.ends_with('\n')) text.remove_suffix(1);
  log::debug({log::Category::connection, "libwebsockets"}, text);  // mostly about what clients did wrong
}

}  // namespace

Server::State::State(const Config& config_in, const Clock& clock_in, loop::Loop& loop_in, Metrics& metrics_in)
    : config(config_in),
      clock(clock_in),
      loop(loop_in),
      metrics(metrics_in),
      tls(metrics_in),
      http(config_in, metrics_in),
      admission(clock_in, config_in.handshakes_per_s),
      intros(
          loop_in,
          [this](int fd, const Caller& from, bool plain) { adopt(fd, from, plain ? plain_vhost : vhost); },
          [this](const net::IpAddress& proxy) {
            metrics.net_proxy_headers_refused.add();
            log::warn("a trusted proxy sent no PROXY header, or a malformed one", {{"proxy", proxy.text()}});
          }),
      listener(
          loop_in,
          {config.listen_address, static_cast<std::uint16_t>(config.listen_port),
           config.listen_share ? PortSharing::shared : PortSharing::alone,
           static_cast<int>(config.send_buffer_bytes), static_cast<int>(config.accepts_per_turn)},
          metrics_in, [this] { return admission.open(); },
          [this](int fd, const sockaddr_storage& from) { accept(fd, from, vhost); }) {}

Status Server::State::open_context() {
  const bool with_tls = Tls::wanted(config);
  if (auto usable = tls.prepare(config); !usable) return usable;
  tls.take(config);
  lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
  void* loops[] = {loop.native()};
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.protocols = kProtocols;
  info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME;
  if (with_tls)
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX |
                    LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
  info.foreign_loops = loops;
  if (config.deflate) info.extensions = kExtensions;
  info.user = this;
  info.gid = info.uid = static_cast<decltype(info.gid)>(-1);
  info.retry_and_idle_policy = &kNoRetry;
  info.timeout_secs = kHandshakeSeconds;
  info.keepalive_timeout = kIdleSeconds;
  info.max_http_header_data = 8'192;
  info.pt_serv_buf_size = 16'384;
  info.alpn = "http/1.1";  // raw frames must never meet HTTP/2 framing
  info.vhost_name = "edge";
  context = lws_create_context(&info);
  if (context == nullptr)
    return Error{Errc::io, "libwebsockets could not start; is the package libwebsockets-evlib-uv installed?"};
  vhost = lws_get_vhost_by_name(context, "edge");
  if (vhost == nullptr) return Error{Errc::internal, "no virtual host"};
  tls.steer();
  return open_redirect();
}

lws_context_creation_info Server::State::plain_vhost_info() {
  lws_context_creation_info info{};
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.protocols = kProtocols;
  info.user = this;
  info.retry_and_idle_policy = &kNoRetry;
  info.timeout_secs = kHandshakeSeconds;
  info.keepalive_timeout = kIdleSeconds;
  info.vhost_name = "plain";
  return info;
}

void Server::State::accept(int fd, const sockaddr_storage& from, lws_vhost* to) {
  if (count + intros.size() >= room + kRefusalRoom) {
    metrics.net_turned_away.add();
    ::close(fd);
    return;
  }
  const auto peer = net::IpAddress::of(from);
  if (way_in.introduces(peer))
    return intros.add(fd, peer, clock.steady() + config.handshake_timeout, to == plain_vhost);
  adopt(fd, {peer, false}, to);
}

/// A proxy's connections are many clients': they are counted when their requests tell whose they are.
void Server::State::adopt(int fd, const Caller& peer, lws_vhost* to) {
  Limits::Arrival arrival;
  if (limits != nullptr && !way_in.trusts(peer.from)) arrival = limits->arrive(peer.from);
  if (arrival.drop) {
    metrics.net_turned_away.add();
    ::close(fd);
    return;
  }
  lws* wsi = lws_adopt_socket_vhost(to, fd);
  if (wsi == nullptr) {  // the library has closed it
    if (arrival.counted) limits->leave(peer.from);
    return metrics.net_turned_away.add();
  }
  auto* c = new Connection;
  c->wsi = wsi;
  c->peer = c->from = peer.from;
  c->redirected = to == plain_vhost;
  c->secure = peer.secure || (Tls::wanted(config) && !c->redirected);
  if (!Tls::wanted(config)) c->fd = fd;
  c->charged = arrival.counted;
  c->retry_after = refusal();
  if (arrival.over) {
    c->over = std::make_unique<Over>(*std::move(arrival.over));
    c->retry_after = static_cast<std::uint8_t>(std::min<std::uint16_t>(c->over->retry_after_s, 255));
  }
  lws_set_opaque_user_data(wsi, c);
  lws_set_wsi_user(wsi, c);  // without user data the library does not say when it begins to close
  c->be_done_by(handshakes, clock.steady() + config.handshake_timeout);
  metrics.net_connections.set(static_cast<std::int64_t>(++count));
}

/// What a new connection is told when it asks for something; 0: it is served. The answer waits for the
/// request, or it would be lost in a reset; and health is told to everybody, since a busy edge is not a sick
/// one.
std::uint8_t Server::State::refusal() {
  const bool served = admission.arrived() == Admission::Verdict::serve && count < room && !elsewhere();
  return served ? std::uint8_t{0} : static_cast<std::uint8_t>(admission.retry_after());
}

void Server::State::expire(DueList& list) {
  const Instant now = clock.steady();
  while (!list.empty() && list.front().at <= now) {
    Connection* c = list.front().connection;
    c->done_in_time();
    if (&list == &handshakes) {
      metrics.net_handshake_timeouts.add();
      if (c->charged) limits->offend(c->from, "no request in time");
    }
    c->mute = true;
    lws_set_timeout(c->wsi, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
  }
}

/// What clients had is freed in small pieces, which the allocator would keep. When half of many have left,
/// and what is kept of them for a moment has gone as well, it is asked to return them; that takes a few
/// milliseconds, so not for less.
void Server::State::give_back() {
  peak = std::max(peak, count);
  if (peak < kManyClients || count > peak / 2) {
    trim_at = clock.steady() + kTrimAfter;
  } else if (clock.steady() >= trim_at) {
    peak = count;
    malloc_trim(0);
  }
}

void Server::State::forget(Connection* c) {
  if (c == nullptr) return;
  c->done_in_time();
  std::erase(receiving, c);
  std::replace(reading.begin(), reading.end(), c, static_cast<Connection*>(nullptr));
  on_gone(*c);
  http.on_closed(*c);
  if (c->charged) limits->leave(c->from);
  delete c;
  metrics.net_connections.set(static_cast<std::int64_t>(--count));
}

bool Server::State::over_limit(Connection& c, bool stays) {
  if (limits == nullptr) return false;
  std::optional<Over> over;
  if (stays && !c.charged && way_in.trusts(c.peer)) {
    auto arrival = limits->arrive(c.from);
    c.charged = arrival.counted;
    over = std::move(arrival.over);
    if (arrival.drop && !over) over = limits->look(c.from);
  } else {
    over = limits->look(c.from);
  }
  if (!over && stays) over = limits->cluster_room(c.from);
  if (!over) return false;
  c.over = std::make_unique<Over>(*std::move(over));
  c.retry_after = static_cast<std::uint8_t>(std::min<std::uint16_t>(c.over->retry_after_s, 255));
  return true;
}

void Server::State::identify(Connection& c, RequestHead& head) const {
  const bool proxied = way_in.trusts(c.peer);
  const Caller caller =
      proxied ? way_in.caller({c.peer, c.secure}, read_forwarded(c.wsi)) : Caller{c.peer, c.secure};
  head.request.from = caller.from;
  if (!c.charged) c.from = caller.from;  // else proxy.trusted has changed since it was counted
  head.request.secure = caller.secure;
  // No browser's request on behalf of another site, and none that a proxy on this host sends on.
  head.request.local =
      c.peer.is_loopback() && caller.from.is_loopback() && !head.relayed && head.origin.empty();
}

Status Server::set_descriptor_limit(const Config& config) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{Errc::io, "the limit of open files cannot be read"};
  const rlim_t wanted = static_cast<rlim_t>(config.clients_max) + kOwnDescriptors;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (limit.rlim_cur < wanted)
    log::warn("the limit of open files is below limits.clients_max",
              {{"open_files", limit.rlim_cur}, {"wanted", wanted}});
  // The library's tables grow with the limit, so a limit of a million costs 16 MB: lowered as well as raised.
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return Error{Errc::io, "the limit of open files cannot be set"};
  return Done{};
}

Server::Server(const Config& config, const Clock& clock, loop::Loop& loop, Metrics& metrics)
    : state_(std::make_unique<State>(config, clock, loop, metrics)) {}
Server::~Server() { shut_down(); }

Status Server::start(Gateway& gateway, HttpApi& api) {
  state_->gateway = &gateway;
  state_->http.attach(api);
  state_->http.limit(state_->limits);
  state_->room = room_for(state_->config);
  if (auto usable = configure(); !usable) return usable;
  if (auto opened = state_->open_context(); !opened) return opened;
  if (auto listening = state_->listener.listen(); !listening) return listening;
  return state_->plain_listener ? state_->plain_listener->listen() : Status{Done{}};
}
Status Server::configure() {
  auto way_in = WayIn::make(state_->config);
  if (!way_in) return way_in.error();
  state_->way_in = *std::move(way_in);
  state_->http.open_to_any_origin(state_->way_in.any_origin());
  return Done{};
}
std::uint16_t Server::port() const { return state_->listener.port(); }
void Server::send_elsewhere_while(std::function<bool()> refusing) { state_->elsewhere = std::move(refusing); }
void Server::limit(Limits& limits) noexcept { state_->limits = &limits; }
void Server::stop_accepting() {
  state_->listener.close();
  if (state_->plain_listener) state_->plain_listener->close();
  state_->intros.clear();
}
Status Server::check(const Config& next) {
  if (auto made = WayIn::make(next); !made) return made.error();
  return state_->tls.prepare(next);
}
void Server::apply() {
  state_->tls.take(state_->config);
  (void)configure();  // checked before
}

void Server::shut_down() {
  stop_accepting();
  lws_context* context = std::exchange(state_->context, nullptr);
  if (context == nullptr) return;
  lws_context_destroy(context);
  for (int turn = 0; turn < kClosingTurns; ++turn) state_->loop.run_ready();
  lws_context_destroy(context);
}
std::size_t Server::connections() const { return state_->count; }

void Server::tick() {
  state_->expire(state_->handshakes);
  state_->expire(state_->closes);
  state_->intros.expire(state_->clock.steady());
  state_->give_back();
  state_->listener.go_on();
  if (state_->plain_listener) state_->plain_listener->go_on();
}
void Server::turn() {
  state_->read_on();
  state_->http.resume();
}

// The library drains what it holds before anything else on that socket, so its own pong or close can only
// follow a whole frame; but it may also hold half a pong of its own, hence the question before every write.
// No system call.
bool Server::busy(Socket socket) const { return lws_partial_buffered(connection_of(socket)->wsi) != 0; }

Sent Server::write(Socket socket, std::string_view frames) {
  Connection& c = *connection_of(socket);
  if (c.mute) return Sent::dead;
  const ssize_t sent = c.fd >= 0 ? send_now(c.fd, frames) : 0;
  state_->metrics.net_writes.add();
  state_->metrics.net_written_bytes.add(static_cast<std::int64_t>(frames.size()));
  if (sent == static_cast<ssize_t>(frames.size())) return Sent::all;
  // Raw: no header is put in front, no extension sees it, the buffer is only read. What the kernel does not
  // take is copied and sent before anything else, so that a pong or close of the library only follows a whole
  // frame.
  frames.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(frames.data());
  if (sent < 0 || lws_write(c.wsi, const_cast<unsigned char*>(bytes), frames.size(), LWS_WRITE_RAW) < 0) {
    c.mute = true;
    lws_set_timeout(c.wsi, static_cast<pending_timeout>(1), LWS_TO_KILL_ASYNC);
    return Sent::dead;
  }
  if (lws_partial_buffered(c.wsi) == 0) return Sent::all;
  state_->metrics.net_partial_writes.add();
  if (c.kind == Connection::Kind::events) state_->hold_input(c);
  return Sent::queued;
}

void Server::close(Socket socket, CloseReason reason, std::string_view detail) {
  Connection& c = *connection_of(socket);
  if (c.closing) return;
  c.closing = true;
  c.mute = true;
  c.reason = reason;
  c.detail = std::make_unique<std::string>(detail);
  c.be_done_by(state_->closes, state_->clock.steady() + kClosePatience);
  // A stream of events ends from its callback; a close frame goes behind what is queued.
  if (c.kind == Connection::Kind::websocket && state_->send_close(c)) {
    // Who floods would go on until its patience ends: what it sends is not looked at any more.
    if (reason == CloseReason::too_many && lws_partial_buffered(c.wsi) == 0) lws_rx_flow_control(c.wsi, 0);
    return;
  }
  if (c.kind == Connection::Kind::events) state_->hold_input(c);
  lws_callback_on_writable(c.wsi);
}

std::uint64_t Server::received(Socket socket) const {
  return received_bytes(lws_get_socket_fd(connection_of(socket)->wsi));
}

std::size_t Server::max_batch(Socket) const { return Tls::wanted(state_->config) ? kRecord : kBatch; }

}  // namespace tocsin::edge
