#include "edge/node.h"

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
#include "common/json/json.h"
#include "common/log/log.h"
#include "common/loop/alarm.h"
#include "common/loop/handles.h"
#include "common/loop/loop.h"
#include "common/metrics/process.h"
#include "common/mq/dealer.h"
#include "common/version.h"
#include "edge/http_api/http_api.h"
#include "edge/link/edge_link.h"
#include "edge/metrics.h"
#include "edge/net/server.h"
#include "edge/net/tls.h"
#include "edge/session/gateway.h"

namespace tocsin::edge {
namespace {

constexpr Millis kTick{100};

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

}  // namespace

struct Node::State {
  explicit State(const Config& config_in);

  Status connect();
  void tick();
  void turn();
  void write_ready_file();
  void begin_stop();
  [[nodiscard]] bool stopped() const;
  [[nodiscard]] std::string not_ready_reason() const {
    return stopping ? "the edge is stopping" : link.not_ready_reason();
  }

  const Config& config;
  SystemClock clock;
  loop::Loop loop;
  mq::Context zmq{loop};
  metrics::Registry registry;
  metrics::ProcessMetrics process{registry};
  Metrics metrics{registry};

  DealerWire wire;
  EdgeLink link;
  Server server;
  Gateway gateway;
  HttpApi api;

  loop::Timer ticker{loop};
  loop::Timer due_timer{loop};  ///< updates that a max_rate holds back
  loop::TurnHook turn_end;
  std::optional<loop::Alarm> hold;  ///< fanout.hold_us
  enum class Hold : std::uint8_t { none, running, over } holding = Hold::none;
  loop::Signals signals;
  std::string http_url;
  std::string ws_url;
  bool announced = false;
  bool stopping = false;
  Instant stop_by{};
};

Node::State::State(const Config& config_in)
    : config(config_in),
      link(config, clock, wire, crypto::random_u64, metrics),
      server(config, clock, loop, metrics),
      gateway(config, clock, link, server, crypto::random_u64, metrics),
      api(config, clock, link,
          {.not_ready_reason = [this] { return not_ready_reason(); },
           .metrics_text = [this] { return registry.prometheus_text(); },
           .clients = [this] { return gateway.clients(); }}),
      turn_end(loop, [this] { turn(); }),
      signals(loop, {SIGTERM, SIGINT}, [this](int) { begin_stop(); }) {
  link.attach_sink(gateway.feed());
  if (config.hold_us > 0)
    hold.emplace(loop, [this] {
      holding = Hold::over;
      turn_end.request();
    });
}

Status Node::State::connect() {
  // Nobody can guess this name: at the broker's socket whoever connects under a name takes it over.
  mq::Dealer::Options options{config.broker_endpoint, config.id + "/" + crypto::random_hex(16)};
  if (!config.broker_server_key_file.empty()) {
    auto server_key = mq::load_public_key(config.broker_server_key_file);
    if (!server_key)
      return Error{Errc::invalid_argument, "broker.server_key_file: " + server_key.error().detail};
    auto keys = mq::load_keys(config.curve_key_file);
    if (!keys) return Error{Errc::invalid_argument, "curve.key_file: " + keys.error().detail};
    options.security = mq::Dealer::Security{*keys, *server_key};
  }
  auto dealer = mq::Dealer::connect(zmq, options,
                                    {.on_connected = [this] { link.on_connected(); },
                                     .on_disconnected = [this] { link.on_disconnected(); },
                                     .on_refused =
                                         [](std::string_view why) {
                                           log::warn("the broker refused the connection", {{"why", why}});
                                         },
                                     .on_message = [this](std::string_view bytes) { link.on_bytes(bytes); }});
  if (!dealer) return dealer.error();
  wire.dealer = *std::move(dealer);
  return Done{};
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
  EdgeReport report;
  report.clients = static_cast<std::uint32_t>(gateway.clients());
  report.clients_max = static_cast<std::uint32_t>(config.clients_max);
  report.state = stopping ? "stopping" : link.ready() ? "ready" : "starting";
  link.report(report);
  link.tick();
  gateway.tick();
  server.tick();
  turn_end.request();  // timers run before the loop waits for input: what they made is not to wait for it
  if (!announced && !stopping && link.ready()) write_ready_file();
  if (stopping && stopped()) loop.stop();
}

void Node::State::write_ready_file() {
  announced = true;
  log::info("ready", {{"http", http_url}, {"ws", ws_url}, {"cluster", link.cluster()}});
  if (config.ready_file.empty()) return;
  std::string text =
      "{\"pid\":" + std::to_string(getpid()) + ",\"port\":" + std::to_string(server.port()) + ",\"http\":";
  json::append_quoted(text, http_url);
  text += ",\"ws\":";
  json::append_quoted(text, ws_url);
  text += "}\n";
  if (auto written = write_atomically(config.ready_file, text); !written) log::error(written.error().detail);
}

void Node::State::begin_stop() {
  if (std::exchange(stopping, true)) return loop.stop();
  log::info("stopping", {{"clients", gateway.clients()}});
  if (!config.ready_file.empty()) (void)std::remove(config.ready_file.c_str());
  stop_by = clock.steady() + config.stop_timeout;
  server.stop_accepting();
  gateway.close_all(CloseReason::restart);
  turn_end.request();
}

bool Node::State::stopped() const { return server.connections() == 0 || clock.steady() >= stop_by; }

Node::Node(const Config& config) : state_(std::make_unique<State>(config)) {}
Node::~Node() = default;

Status Node::start() {
  State& s = *state_;
  if (!s.config.ready_file.empty()) (void)std::remove(s.config.ready_file.c_str());
  if (auto limited = Server::set_descriptor_limit(s.config); !limited) return limited;
  if (auto connected = s.connect(); !connected) return connected;
  if (auto listening = s.server.start(s.gateway, s.api); !listening) return listening;
  const std::string place = own_host(s.config.listen_address) + ":" + std::to_string(s.server.port());
  const std::string secure = tls::wanted(s.config) ? "s" : "";
  s.http_url = "http" + secure + "://" + place;
  s.ws_url = s.config.endpoint.empty() ? "ws" + secure + "://" + place + "/v1/stream" : s.config.endpoint;
  s.link.describe_self(std::string(version()), s.ws_url);
  s.ticker.start(kTick, kTick, [&s] { s.tick(); });
  log::info("listening",
            {{"http", s.http_url}, {"broker", s.config.broker_endpoint}, {"version", version()}});
  return Done{};
}

void Node::run() {
  State& s = *state_;
  s.loop.run();
  s.ticker.stop();
  s.due_timer.stop();
  s.server.shut_down();
  log::info("stopped");
}

}  // namespace tocsin::edge
