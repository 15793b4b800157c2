#include "broker/node.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>

#include "broker/backup/schedule.h"
#include "broker/core.h"
#include "broker/health.h"
#include "broker/log/memory_log_store.h"
#include "broker/log/split_log_store.h"
#include "broker/log/sqlite_log_store.h"
#include "common/auth/admin_door.h"
#include "common/file.h"
#include "common/http/server.h"
#include "common/json/json.h"
#include "common/log/audit.h"
#include "common/log/log.h"
#include "common/log/metrics.h"
#include "common/log/reloaded.h"
#include "common/log/slow.h"
#include "common/loop/handles.h"
#include "common/metrics/process.h"
#include "common/mq/allow_list.h"
#include "common/mq/router.h"
#include "common/random.h"
#include "common/service_manager.h"
#include "common/trace/exporter.h"

namespace tocsin::broker {
namespace {

constexpr Millis kTick{100};
constexpr Millis kKeysEvery{1'000};
constexpr Millis kStopCheck{5};
constexpr Millis kStopLimit{10'000};
constexpr Millis kLinger{100};  // for the last answers to leave the socket

/// PeerPort over the router, which is bound only after the log is recovered.
class RouterPort final : public PeerPort {
 public:
  RouterPort() = default;
  void attach(mq::Router& router) { router_ = &router; }
  bool send(std::string_view peer, SharedBytes bytes) override {
    return router_ != nullptr && router_->send(peer, std::move(bytes));
  }

 private:
  mq::Router* router_ = nullptr;
};

auth::AdminSettings admin_settings(const Config& config) {
  return {config.admin_token_file, config.admin_roles_file, config.admin_loopback};
}

struct Address {
  std::string host;
  std::uint16_t port = 0;
};

Result<Address> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  Address out;
  const char* const end = text.data() + text.size();
  const auto [rest, ec] = std::from_chars(text.data() + std::min(colon, text.size() - 1) + 1, end, out.port);
  if (colon == std::string::npos || ec != std::errc{} || rest != end)
    return Error{Errc::invalid_argument, "broker.http_listen \"" + text + "\" is not host:port"};
  out.host = text.substr(0, colon);
  return out;
}

}  // namespace

struct Node::Parts {
  Parts(config::Reload<Config>& r, DataFolder f) : reload(r), config(r.settings()), folder(std::move(f)) {}

  config::Reload<Config>& reload;
  const Config& config;
  ServiceManager service;
  SystemClock clock;
  SystemRandom random;
  loop::Loop loop;
  DataFolder folder;
  metrics::Registry registry;
  metrics::ProcessMetrics process{registry};
  log::LogMetrics logs{registry};
  Metrics metrics{registry};
  trace::Metrics trace_metrics{registry};
  std::unique_ptr<SqliteLogStore> disk;
  MemoryLogStore memory;
  std::optional<SplitLogStore> store;
  std::optional<loop::Async> wake;
  RouterPort port;
  std::optional<Core> core;
  mq::Context mq{loop};
  std::optional<mq::AllowList> allowed;  ///< whom the router lets in; none: anyone
  std::string public_key;                ///< that handshakes are made with; empty: no encryption
  std::optional<mq::CurveKeys> next_keys;
  std::optional<mq::AllowList> next_allowed;
  Instant keys_looked_at{};
  std::unique_ptr<mq::Router> router;
  http::Context http{loop};
  std::unique_ptr<http::Server> server;
  std::optional<backup::Schedule> backups;
  auth::AdminDoor admin_door;
  std::unique_ptr<trace::Exporter> exporter;  ///< null: no traces
  loop::Timer ticker{loop};
  log::LoopLag lag{kTick};
  loop::Timer stopper{loop};
  std::optional<loop::Signals> signals;
  const Instant begun = clock.steady();
  Instant stop_since{};
  bool stopping = false;

  ~Parts() {
    // http turns the loop to close its connections: no message, timer or commit may reach the core any more.
    router.reset();
    server.reset();
    exporter.reset();
    ticker.stop();
    stopper.stop();
    if (disk) disk->on_wake({});
    disk.reset();  // joins the storage thread before what it wakes is gone
    wake.reset();
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  Status open_log();
  Status listen();
  Status serve_http();
  Status attach_traces();
  Status write_ready_file() const;
  void answer(const http::Request& request, const http::Responder& respond);
  void schedule_backups();
  [[nodiscard]] http::Response administer(const http::Request& request);
  Status join_reload();
  Status check_keys(const Config& next);
  void apply_keys();
  void look_at_keys();
  Result<std::string> reload_now(std::string_view why);
  void stop();
  void stop_when_idle();
};

Status Node::Parts::open_log() {
  auto opened = SqliteLogStore::open(folder, {.max_bytes = 0, .random = [this] { return random.u64(); }});
  if (!opened) return opened.error();
  disk = *std::move(opened);
  store.emplace(*disk, memory);
  wake.emplace(loop, [this] { store->poll(); });
  store->on_wake([this] { wake->send(); });
  core.emplace(
      config, folder.cluster_id(), *store, clock, [this] { return random.u64(); }, port, metrics);
  return core->open();
}

Status Node::Parts::listen() {
  mq::Router::Options options;
  options.endpoint = config.listen;
  if (!config.curve_key_file.empty()) {
    auto keys = mq::load_keys(config.curve_key_file);
    if (!keys) return keys.error();
    options.keys = *std::move(keys);
    if (!config.curve_allow_dir.empty()) {
      auto list = mq::AllowList::open(config.curve_allow_dir, clock);
      if (!list) return list.error();
      allowed = *std::move(list);
    }
    public_key = options.keys->public_key;
    mq.admit([this](std::string_view key) -> std::optional<std::string> {
      if (!allowed) return "";  // encryption, and anyone
      auto holder = allowed->holder(key);
      if (holder && router != nullptr) router->welcome_back(key);
      return holder;
    });
  }
  auto bound = mq::Router::bind(
      mq, options, [this](std::string_view peer, std::string_view bytes, std::string_view holder) {
        core->on_bytes(peer, bytes, holder);
        store->poll();  // a turn may bring thousands of drafts: the store does not wait for its next group
                        // until they are all taken
      });
  if (!bound) return bound.error();
  router = *std::move(bound);
  port.attach(*router);
  return Done{};
}

void Node::Parts::answer(const http::Request& request, const http::Responder& respond) {
  if (request.path == "/metrics")
    return respond({200, "text/plain; version=0.0.4; charset=utf-8", {}, registry.prometheus_text()});
  if (is_health(request.path))
    return respond(health_answer(
        request.path, request.query,
        {*core, metrics, config.data_dir, folder.cluster_id(), clock.steady() - begun, clock.wall_ms()}));
  if (request.path.starts_with("/admin/")) return respond(administer(request));
  respond(
      http::problem({Errc::not_found, "see /health, /health/live, /health/ready, /metrics, /admin/reload"}));
}

http::Response Node::Parts::administer(const http::Request& request) {
  const auto who =
      admin_door.admit(http::find(request.headers, "authorization"), request.local, auth::Role::operate);
  log::audit({.action = "admin",
              .outcome = who ? "ok" : describe(who.error().code).name,
              .who = who ? std::string_view(who->name) : std::string_view(),
              .from = {},
              .what = request.path,
              .why = who ? std::string_view() : std::string_view(who.error().detail)});
  if (!who) return http::problem(who.error());
  if (request.path != "/admin/reload")
    return http::problem({Errc::not_found, "no such path; see /admin/reload"});
  if (request.method != "POST") return http::problem({Errc::method_not_allowed, "the path takes POST"});
  const auto done = reload_now("POST /admin/reload");
  return done ? http::Response{200, "application/json", {}, *done} : http::problem(done.error());
}

Status Node::Parts::check_keys(const Config& next) {
  next_keys.reset();
  next_allowed.reset();
  if (next.curve_key_file.empty() != public_key.empty())
    return Error{Errc::invalid_argument,
                 "curve.key_file: encryption is switched on and off by a restart, not by a reload"};
  if (public_key.empty()) return Done{};
  auto keys = mq::load_keys(next.curve_key_file);
  if (!keys) return Error{keys.error().code, "curve.key_file: " + keys.error().detail};
  if (!next.curve_allow_dir.empty()) {
    auto list = mq::AllowList::open(next.curve_allow_dir, clock);
    if (!list) return Error{list.error().code, "curve.allow_dir: " + list.error().detail};
    next_allowed = *std::move(list);
  }
  next_keys = *std::move(keys);
  return Done{};
}

void Node::Parts::apply_keys() {
  if (!next_keys) return;
  allowed = std::move(next_allowed);
  const auto keys = *std::exchange(next_keys, std::nullopt);
  if (std::exchange(public_key, keys.public_key) == keys.public_key) return;
  log::info("the link has a new key; edges come back with it", {{"public_key", public_key}});
  router->rekey(keys);
}

/// Once a second: who was taken off the list is cut off.
void Node::Parts::look_at_keys() {
  if (!allowed || clock.steady() - keys_looked_at < kKeysEvery) return;
  keys_looked_at = clock.steady();
  allowed->refresh();
  const auto cut = router->drop_unless([this](std::string_view key) { return allowed->allows(key); });
  if (cut == 0) return;
  metrics.keys_dropped.add(static_cast<std::int64_t>(cut));
  log::warn("connections were cut: their keys are not on the allow-list any more", {{"connections", cut}});
}

/// Parts that hold more of the settings than a reference to them.
Status Node::Parts::join_reload() {
  if (auto ready = admin_door.prepare(admin_settings(config)); !ready) return ready;
  admin_door.take();
  reload.join({[](const Config& next) { return log::check(next.log); },
               [this] { (void)log::configure(log::named(config.log, "broker")); }});
  reload.join({[this](const Config& next) { return admin_door.prepare(admin_settings(next)); },
               [this] { admin_door.take(); }});
  reload.join({[this](const Config& next) { return check_keys(next); }, [this] { apply_keys(); }});
  return Done{};
}

Result<std::string> Node::Parts::reload_now(std::string_view why) {
  log::reopen();  // also when the settings are refused: somebody may have renamed the files
  const auto done = reload();
  log::reloaded(why, done);
  if (!done) return done.error();
  return config::to_json(*done);
}

Status Node::Parts::serve_http() {
  if (config.http_listen.empty()) return Done{};
  const auto address = parse_address(config.http_listen);
  if (!address) return address.error();
  auto listening = http::Server::listen(
      http, address->host, address->port,
      [this](const http::Request& request, const http::Responder& respond) { answer(request, respond); });
  if (!listening) return listening.error();
  server = *std::move(listening);
  return Done{};
}

Status Node::Parts::attach_traces() {
  if (config.trace.endpoint.empty()) return Done{};
  auto started = trace::Exporter::start(loop, config.trace, "broker", trace_metrics);
  if (!started) return started.error();
  exporter = *std::move(started);
  core->trace(exporter->tracer());
  return Done{};
}

Status Node::Parts::write_ready_file() const {
  if (config.ready_file.empty()) return Done{};
  std::string text =
      "{\"pid\":" + std::to_string(::getpid()) + ",\"ingest\":" + json::quoted(router->endpoint());
  if (server != nullptr)
    text += ",\"http\":\"http://" + config.http_listen.substr(0, config.http_listen.rfind(':')) + ":" +
            std::to_string(server->port()) + "\"";
  return write_atomically(config.ready_file, text + "}\n");
}

void Node::Parts::schedule_backups() {
  if (config.backup_every_s == 0) return;
  backup::Schedule::Options options;
  options.request.data_dir = config.data_dir;
  options.request.folder = backup::folder_for(config.data_dir, config.backup_folder);
  options.request.bytes_per_s = static_cast<std::uint64_t>(config.backup_rate_mb) << 20U;
  options.request.reserve_bytes = static_cast<std::uint64_t>(config.backup_reserve_mb) << 20U;
  options.retention = {static_cast<std::uint64_t>(config.backup_keep),
                       static_cast<std::uint64_t>(config.backup_keep_days)};
  options.every = std::chrono::seconds(config.backup_every_s);
  backups.emplace(std::move(options), metrics);
}

void Node::Parts::stop() {
  if (std::exchange(stopping, true)) return;
  service.stopping("commits and answers what is under way", 2 * kStopLimit);
  log::info("stopping: what is under way is committed and answered");
  core->stop();
  stop_since = clock.steady();
  stopper.start(kStopCheck, kStopCheck, [this] { stop_when_idle(); });
}

void Node::Parts::stop_when_idle() {
  if (!core->idle() && clock.steady() - stop_since < kStopLimit) return;
  stopper.start(kLinger, [this] { loop.stop(); });
}

Node::Node(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::start(config::Reload<Config>& reload) {
  const Config& config = reload.settings();
  SystemRandom random;
  auto folder = DataFolder::claim(config.data_dir, config.cluster_id, hex_id(random, 32));
  if (!folder) return folder.error();
  auto parts = std::make_unique<Parts>(reload, *std::move(folder));
  Parts& p = *parts;
  if (auto ok = p.join_reload(); !ok) return ok.error();
  if (auto ok = p.open_log(); !ok) return ok.error();
  if (auto ok = p.attach_traces(); !ok) return ok.error();
  if (auto ok = p.listen(); !ok) return ok.error();
  if (auto ok = p.serve_http(); !ok) return ok.error();
  p.ticker.start(kTick, kTick, [&p] {
    p.lag.tick(p.clock.steady());
    p.service.beat(p.clock.steady());
    p.core->tick();
    p.look_at_keys();
  });
  p.signals.emplace(p.loop, std::initializer_list<int>{SIGTERM, SIGINT, SIGHUP}, [&p](int number) {
    if (number == SIGHUP) return (void)p.reload_now("SIGHUP");
    p.stop();
  });
  if (auto ok = p.write_ready_file(); !ok) return ok.error();
  p.service.ready("serves " + p.router->endpoint());
  p.schedule_backups();
  log::info("the broker serves", {{"ingest", p.router->endpoint()}, {"cluster", p.folder.cluster_id()}});
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

void Node::run() { parts_->loop.run(); }

}  // namespace tocsin::broker
