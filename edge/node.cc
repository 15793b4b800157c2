#include "edge/node.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/crypto/crypto.h"
#include "common/file.h"
#include "common/http/client.h"
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/log/reloaded.h"
#include "common/log/slow.h"
#include "common/loop/alarm.h"
#include "common/loop/handles.h"
#include "common/loop/loop.h"
#include "common/metrics/process.h"
#include "common/mq/dealer.h"
#include "common/service_manager.h"
#include "common/version.h"
#include "edge/auth/gate.h"
#include "edge/drain/drain.h"
#include "edge/drain/load.h"
#include "edge/http_api/health.h"
#include "edge/http_api/http_api.h"
#include "edge/limits/limits.h"
#include "edge/link/edge_link.h"
#include "edge/metrics.h"
#include "edge/net/server.h"
#include "edge/net/tls.h"
#include "edge/session/gateway.h"
#include "edge/watch.h"

namespace tocsin::edge {
namespace {

constexpr Millis kTick{100};
constexpr Millis kPresentWait{3'000};
constexpr Millis kStopMargin{5'000};  ///< a service manager waits so much longer than we mean to take
constexpr Millis kFetchTimeout{10'000};

/// The link's wire on ZeroMQ.
class DealerWire final : public LinkWire {
 public:
  bool send(std::string bytes) override { return dealer && dealer->send(bytes); }
  std::unique_ptr<mq::Dealer> dealer;
};

/// The address that this host reaches the listener under.
std::string own_host(const std::string& address) {
  if (address == "0.0.0.0" || address == "::") return "127.0.0.1";
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

auth::AdminSettings admin_settings(const Config& config) {
  return {config.admin_token_file, config.admin_roles_file, config.admin_loopback};
}

/// CPU time of the calling thread, which is the loop's.
std::int64_t thread_cpu_us() {
  rusage used{};
  if (getrusage(RUSAGE_THREAD, &used) != 0) return 0;
  const auto us = [](const timeval& t) { return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_usec; };
  return us(used.ru_utime) + us(used.ru_stime);
}

}  // namespace

struct Node::State {
  explicit State(config::Reload<Config>& reload_in);

  static Result<std::optional<mq::Dealer::Security>> read_keys(const Config& from);
  Status check_keys(const Config& next);
  Status connect();
  void on_refused(std::string_view why);
  void follow_keys();
  void tick();
  void turn();
  void report_self();
  Status attach_admin();
  Status fetch_keys();
  void join_reload();
  Result<std::string> reload_now(std::string_view why);
  void write_ready_file();
  void present();
  void on_signal(int number);
  void begin_leaving();
  void begin_stop();
  [[nodiscard]] bool stopped() const;
  [[nodiscard]] std::string not_ready_reason() const {
    return stopping ? "the edge is stopping" : link.not_ready_reason();
  }
  /// As it is told to health checks and the broker: without the broker nobody is to be sent here.
  [[nodiscard]] std::string_view state_name() {
    const EdgeState state = gateway.drain().state();
    return state == EdgeState::ready && !link.ready() ? name_of(EdgeState::starting) : name_of(state);
  }
  [[nodiscard]] Millis uptime() const { return std::chrono::duration_cast<Millis>(clock.steady() - started); }
  [[nodiscard]] std::string revision() const {
    return config.revision.empty() ? std::string(version()) : config.revision;
  }

  config::Reload<Config>& reload;
  const Config& config;
  ServiceManager service;
  SystemClock clock;
  const Instant started = clock.steady();
  const std::int64_t started_ms = clock.wall_ms();
  loop::Loop loop;
  mq::Context zmq{loop};
  metrics::Registry registry;
  metrics::ProcessMetrics process{registry};
  Metrics metrics{registry};
  Watch watch{config, clock, metrics};

  auth::AdminDoor admin_door;
  Gate gate{config, clock, metrics};
  Limits limits{config, clock, crypto::random_u64(), metrics};
  DealerWire wire;
  /// Nobody can guess this name: at the broker's socket whoever connects under a name takes it over.
  const std::string link_identity = config.id + "/" + crypto::random_hex(16);
  std::optional<mq::Dealer::Security> link_keys;  ///< that the link was connected with
  std::optional<mq::Dealer::Security> next_keys;  ///< that it is to be connected with
  EdgeLink link;
  Server server;
  Gateway gateway;
  HttpApi api;
  LoadMeter load;

  loop::Timer rekey{loop};
  loop::Timer ticker{loop};
  log::LoopLag lag{kTick};
  loop::Timer due_timer{loop};  ///< updates that a max_rate holds back
  loop::TurnHook turn_end;
  std::optional<loop::Alarm> hold;  ///< fanout.hold_us
  enum class Hold : std::uint8_t { none, running, over } holding = Hold::none;
  loop::Signals signals;
  std::string http_url;
  std::string ws_url;
  const std::string revision_text{revision()};
  bool announced = false;
  bool presented = false;  ///< to the service manager
  Instant present_by{};
  bool leaving = false;  ///< SIGTERM: a drain, then the end
  bool stopping = false;
  Instant leave_by{};
  Instant stop_by{};
  /// For auth.jwks_url. Last: its end turns the loop.
  std::optional<http::Context> http;
  std::optional<http::Client> http_client;
};

Node::State::State(config::Reload<Config>& reload_in)
    : reload(reload_in),
      config(reload_in.settings()),
      link(config, clock, wire, crypto::random_u64, metrics),
      server(config, clock, loop, metrics),
      gateway(config, clock, link, server, crypto::random_u64, metrics),
      api(config, clock, link,
          {.not_ready_reason = [this] { return not_ready_reason(); },
           .metrics_text = [this] { return registry.prometheus_text(); },
           .clients = [this] { return gateway.clients(); },
           .state = [this] { return state_name(); },
           .figures =
               [this] {
                 return HttpApi::Sources::Figures{version(), uptime(), clock.wall_ms(), load.load(),
                                                  metrics.tls_days_left()};
               },
           .expose = [this](std::string_view profiles) { return watch.exposition(profiles, load); }}),
      load({config.handshakes_per_s, config.clients_max}),
      turn_end(loop, [this] { turn(); }),
      signals(loop, {SIGTERM, SIGINT, SIGHUP}, [this](int number) { on_signal(number); }) {
  link.attach_sink(gateway.feed());
  server.send_elsewhere_while([this] { return gateway.drain().refusing(); });
  if (config.hold_us > 0)
    hold.emplace(loop, [this] {
      holding = Hold::over;
      turn_end.request();
    });
}

/// What the key files hold; nothing when the link is not encrypted.
Result<std::optional<mq::Dealer::Security>> Node::State::read_keys(const Config& from) {
  if (from.broker_server_key_file.empty()) return std::optional<mq::Dealer::Security>();
  auto server_key = mq::load_public_key(from.broker_server_key_file);
  if (!server_key)
    return Error{Errc::invalid_argument, "broker.server_key_file: " + server_key.error().detail};
  auto keys = mq::load_keys(from.curve_key_file);
  if (!keys) return Error{Errc::invalid_argument, "curve.key_file: " + keys.error().detail};
  return std::optional(mq::Dealer::Security{*keys, *server_key});
}

/// Connects with `next_keys`; a connection that there was is given up, and the link repairs what it loses
/// with it.
Status Node::State::connect() {
  mq::Dealer::Options options{config.broker_endpoint, link_identity};
  options.security = next_keys;
  if (wire.dealer != nullptr) {
    wire.dealer.reset();
    link.on_disconnected();
  }
  auto dealer = mq::Dealer::connect(zmq, options,
                                    {.on_connected = [this] { link.on_connected(); },
                                     .on_disconnected = [this] { link.on_disconnected(); },
                                     .on_refused = [this](std::string_view why) { on_refused(why); },
                                     .on_message = [this](std::string_view bytes) { link.on_bytes(bytes); }});
  if (!dealer) return dealer.error();
  wire.dealer = *std::move(dealer);
  link_keys = next_keys;
  return Done{};
}

/// The broker, or this edge, may have been given another key meanwhile.
void Node::State::on_refused(std::string_view why) {
  log::warn("the broker refused the connection", {{"why", why}});
  rekey.start(Millis{0}, [this] {  // not inside the dealer's own callback
    if (auto keys = read_keys(config); keys && *keys) next_keys = *std::move(keys);
    follow_keys();
  });
}

void Node::State::follow_keys() {
  if (!next_keys || !link_keys) return;
  if (next_keys->server_key == link_keys->server_key &&
      next_keys->keys.public_key == link_keys->keys.public_key)
    return;
  log::info("the link has new keys, connecting with them", {{"public_key", next_keys->keys.public_key}});
  if (auto connected = connect(); !connected) log::error(connected.error().detail);
}

/// The end of a turn: whatever it brought, from the broker or from clients, goes out; after fanout.hold_us
/// when that is set.
void Node::State::turn() {
  server.turn();
  if (hold && gateway.pending() && holding != Hold::over) {
    if (std::exchange(holding, Hold::running) == Hold::none)
      hold->set(std::chrono::microseconds{config.hold_us});
    return;
  }
  holding = Hold::none;
  if (gateway.turn()) return turn_end.request();
  if (const auto due = gateway.next_due()) {
    const auto wait = std::chrono::ceil<Millis>(*due - clock.steady());
    due_timer.start(std::max(wait, Millis{0}), [this] { turn_end.request(); });
  }
}

void Node::State::tick() {
  service.beat(clock.steady());
  report_self();
  gate.tick();
  link.tick();
  gateway.tick();
  server.tick();
  turn_end.request();  // timers run before the loop waits for input: what they made is not to wait for it
  if (!announced && !leaving && !stopping && link.ready()) write_ready_file();
  if (announced && !leaving && !stopping && !presented) present();
  if (leaving) service.status("draining: " + std::to_string(gateway.clients()) + " clients");
  if (leaving && !stopping && (!gateway.drain().running() || clock.steady() >= leave_by)) begin_stop();
  if (stopping && stopped()) loop.stop();
}

void Node::State::report_self() {
  if (load.sample({clock.steady(), thread_cpu_us(), metrics.net_accepted.value(), metrics.joining.value(),
                   static_cast<std::int64_t>(gateway.clients())})) {
    metrics.load.set(load.load());
    metrics.handshakes_per_s.set(load.handshakes_per_s());
  }
  EdgeReport report;
  report.clients = static_cast<std::uint32_t>(gateway.clients());
  report.clients_max = static_cast<std::uint32_t>(config.clients_max);
  report.state = state_name();
  report.take_per_s = report.state == name_of(EdgeState::ready) ? load.take_per_s() : 0;
  report.load = load.load();
  report.weight = static_cast<std::uint32_t>(config.weight);
  report.traffic = watch.traffic(gateway.lifetimes());
  link.report(report);
}

/// How the keys of tokens come by URL.
Status Node::State::fetch_keys() {
  if (config.auth_jwks_url.empty()) return Done{};
  const auto url = http::parse_url(config.auth_jwks_url);
  if (!url || (url->scheme != "https" && url->scheme != "http"))
    return Error{Errc::invalid_argument, "auth.jwks_url: not an https:// or http:// URL"};
  try {
    http.emplace(loop, http::Trust{url->secure() ? http::Trust::In::authorities : http::Trust::In::nobody,
                                   config.auth_jwks_ca_file});
  } catch (const std::exception& error) {
    return Error{Errc::invalid_argument, std::string("auth.jwks_ca_file: ") + error.what()};
  }
  http_client.emplace(*http);
  gate.fetch_by([this](const std::function<void(Result<std::string>)>& done) {
    http_client->get(config.auth_jwks_url, kFetchTimeout, [done](Result<http::Response> answer) {
      if (!answer) return done(answer.error());
      if (answer->status != 200)
        return done(Error{Errc::unavailable, "the answer was " + std::to_string(answer->status)});
      done(std::move(answer->body));
    });
  });
  return Done{};
}

Status Node::State::attach_admin() {
  if (auto ready = admin_door.prepare(admin_settings(config)); !ready) return ready;
  admin_door.take();
  api.attach({gateway.drain(), admin_door,
              [this]() -> HttpApi::Facts {
                return {state_name(),
                        revision_text,
                        ws_url,
                        gateway.clients(),
                        load.load(),
                        state_name() == name_of(EdgeState::ready) ? load.take_per_s() : 0,
                        link.ready() && link_keys ? link_keys->keys.public_key : std::string(),
                        link.ready() && link_keys ? link_keys->server_key : std::string(),
                        started_ms};
              },
              [this] { return reload_now("POST /admin/reload"); }, [this] { return gate.revocations(); }});
  return Done{};
}

/// Parts that hold more of the settings than a reference to them.
void Node::State::join_reload() {
  reload.join({[](const Config& next) { return log::check(next.log); },
               [this] { (void)log::configure(log::named(config.log, config.id)); }});
  reload.join({[this](const Config& next) { return admin_door.prepare(admin_settings(next)); },
               [this] { admin_door.take(); }});
  reload.join({[this](const Config& next) { return gate.check(next); },
               [this] {
                 if (gate.apply()) gateway.rules_changed();
               }});
  reload.join({[this](const Config& next) { return check_keys(next); }, [this] { follow_keys(); }});
  reload.join({[](const Config& next) { return Health::check(next); }, {}});
  reload.join({[](const Config& next) { return Limits::check(next); }, [this] { (void)limits.configure(); }});
  reload.join({[this](const Config& next) { return server.check(next); }, [this] { server.apply(); }});
}

Status Node::State::check_keys(const Config& next) {
  auto keys = read_keys(next);
  if (!keys) return keys.error();
  if (keys->has_value() != link_keys.has_value())
    return Error{Errc::invalid_argument,
                 "broker.server_key_file: encryption is switched on and off by a restart, not by a reload"};
  next_keys = *std::move(keys);
  return Done{};
}

Result<std::string> Node::State::reload_now(std::string_view why) {
  log::reopen();  // also when the settings are refused: somebody may have renamed the files
  const auto done = reload();
  log::reloaded(why, done);
  if (!done) return done.error();
  return config::to_json(*done);
}

void Node::State::write_ready_file() {
  announced = true;
  log::info("ready", {{"http", http_url}, {"ws", ws_url}, {"cluster", link.cluster()}});
  present_by = clock.steady() + kPresentWait;
  if (config.ready_file.empty()) return;
  std::string text =
      "{\"pid\":" + std::to_string(getpid()) + ",\"port\":" + std::to_string(server.port()) + ",\"http\":";
  json::append_quoted(text, http_url);
  text += ",\"ws\":";
  json::append_quoted(text, ws_url);
  text += "}\n";
  if (auto written = write_atomically(config.ready_file, text); !written) log::error(written.error().detail);
}

/// A service manager that restarts edge after edge stops the next one when this one is ready: by then the
/// others must know that they can drain to it.
void Node::State::present() {
  const auto& edges = link.edges();
  const bool known = std::any_of(edges.begin(), edges.end(), [this](const link::EdgeInfo& edge) {
    return edge.id == config.id && edge.state == name_of(EdgeState::ready);
  });
  if (!known && clock.steady() < present_by) return;
  presented = true;
  service.ready("serves " + ws_url);
}

/// SIGTERM asks for a drain; a second one, or SIGINT, for haste; another then for the end.
void Node::State::on_signal(int number) {
  if (number == SIGHUP) return (void)reload_now("SIGHUP");
  if (stopping) return loop.stop();
  if (number == SIGTERM && !leaving && gateway.clients() > 0) return begin_leaving();
  begin_stop();
}

void Node::State::begin_leaving() {
  Drain& drain = gateway.drain();
  const MoveReport* report = drain.report();
  if (drain.running() && report->kind == MoveKind::migrate) (void)drain.abort();
  if (!drain.has_target() || !drain.start({})) return begin_stop();
  drain.hasten(config.drain_deadline);
  leaving = true;
  // The drain's own deadline waits for the broker; this one does not.
  const Millis longest = config.drain_deadline + config.stop_timeout;
  leave_by = clock.steady() + longest;
  service.stopping("draining", longest + kStopMargin);
  if (!config.ready_file.empty()) (void)std::remove(config.ready_file.c_str());
}

void Node::State::begin_stop() {
  stopping = true;
  service.stopping("closing", config.stop_timeout + kStopMargin);
  gateway.drain().stop();
  log::info("stopping", {{"clients", gateway.clients()}});
  if (!config.ready_file.empty()) (void)std::remove(config.ready_file.c_str());
  stop_by = clock.steady() + config.stop_timeout;
  server.stop_accepting();
  gateway.close_all(CloseReason::restart);
  turn_end.request();
}

bool Node::State::stopped() const { return server.connections() == 0 || clock.steady() >= stop_by; }

Node::Node(config::Reload<Config>& reload) : state_(std::make_unique<State>(reload)) {}
Node::~Node() = default;

Status Node::start() {
  State& s = *state_;
  if (!s.config.ready_file.empty()) (void)std::remove(s.config.ready_file.c_str());
  if (auto limited = Server::set_descriptor_limit(s.config); !limited) return limited;
  if (auto loaded = s.gate.load(); !loaded) return Error{Errc::invalid_argument, loaded.error().detail};
  if (auto fetches = s.fetch_keys(); !fetches) return fetches;
  if (auto usable = s.limits.configure(); !usable) return usable;
  s.server.limit(s.limits);
  s.gateway.limit(s.limits);
  s.api.limit(s.limits);
  s.gateway.guard(s.gate);
  s.api.guard(s.gate);
  if (auto admin = s.attach_admin(); !admin) return admin;
  auto keys = State::read_keys(s.config);
  if (!keys) return keys.error();
  s.next_keys = *std::move(keys);
  if (auto watched = s.watch.start(s.loop, s.gateway, s.link); !watched) return watched;
  if (auto connected = s.connect(); !connected) return connected;
  if (auto paths = Health::check(s.config); !paths) return paths;
  s.join_reload();
  if (auto listening = s.server.start(s.gateway, s.api); !listening) return listening;
  const std::string place = own_host(s.config.listen_address) + ":" + std::to_string(s.server.port());
  const std::string secure = Tls::wanted(s.config) ? "s" : "";
  s.http_url = "http" + secure + "://" + place;
  s.ws_url = s.config.endpoint.empty() ? "ws" + secure + "://" + place + "/v1/stream" : s.config.endpoint;
  s.link.describe_self(s.revision(), s.ws_url);
  s.ticker.start(kTick, kTick, [&s] {
    s.lag.tick(s.clock.steady());
    s.tick();
  });
  log::info("listening",
            {{"http", s.http_url}, {"broker", s.config.broker_endpoint}, {"version", version()}});
  return Done{};
}

void Node::run() {
  State& s = *state_;
  s.loop.run();
  s.ticker.stop();
  s.due_timer.stop();
  s.rekey.stop();
  s.server.shut_down();
  s.watch.stop();
  log::info("stopped");
}

}  // namespace tocsin::edge
