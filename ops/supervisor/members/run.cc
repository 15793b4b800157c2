#include "ops/supervisor/members/run.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "common/config/program.h"
#include "common/log/log.h"
#include "common/log/metrics.h"
#include "common/log/reloaded.h"
#include "common/log/slow.h"
#include "common/mq/curve.h"
#include "common/service_manager.h"
#include "ops/supervisor/admin.h"
#include "ops/supervisor/alerts/alert_watch.h"
#include "ops/supervisor/members/desk.h"
#include "ops/supervisor/standalone.h"

namespace tocsin::ops::members {
namespace {

constexpr Millis kHeartbeat{1'000};
constexpr Millis kGoodbye{2'000};

int complain(const std::string& sentence, int code) {
  std::fprintf(stderr, "tocsin-supervisor: %s\n", sentence.c_str());
  log::error(sentence);
  return code;
}

int complain(const Error& error) {
  return complain(error.detail, error.code == Errc::invalid_argument ? kExitUsage : kExitCannotStart);
}

http::Trust trust_of(const Config& config, const std::vector<Address>& addresses) {
  bool secure = !config.members_edge_ca_file.empty();
  for (const Address& address : addresses) secure = secure || address.secure;
  return {secure ? http::Trust::In::authorities : http::Trust::In::nobody, config.members_edge_ca_file};
}

/// Everything with a life on the loop, in order of construction.
class Run {
 public:
  Run(config::Reload<Config>& reload, Folder folder, const std::vector<Address>& addresses)
      : reload_(reload),
        config_(reload.settings()),
        folder_(std::move(folder)),
        addresses_(addresses),
        metrics_(registry_),
        http_(loop_, trust_of(config_, addresses)) {}

  int operator()(const Endpoint& listen) {
    auto names = find_names();
    if (!names) return complain(names.error());
    if (auto ready = door_.prepare(admin_settings(config_)); !ready)
      return complain(ready.error().detail, kExitUsage);
    door_.take();
    Admin admin(http_, metrics_, door_);
    if (auto up = admin.listen(listen.host, listen.port); !up)
      return complain(up.error().detail, kExitCannotStart);
    names->admin_url =
        "http://" + (listen.everywhere() ? "127.0.0.1" : listen.host) + ":" + std::to_string(admin.port());
    const std::string token = names->admin_token;
    Desk desk({loop_, clock_, metrics_, http_}, config_, folder_, *std::move(names));
    Reloads reloads(
        http_, [&desk] { return desk.processes(); }, token,
        [this](std::string_view why) { return reload_now(why); });
    join_reload(desk, reloads);
    loop::Signals signals(loop_, {SIGTERM, SIGINT, SIGHUP}, [&](int number) {
      if (number == SIGHUP) return (void)reload_now("SIGHUP");
      service_.stopping("the edges go on by themselves", kGoodbye);
      desk.stop();
      loop_.stop();
    });
    loop::Timer heart(loop_);
    log::LoopLag lag(kHeartbeat);
    heart.start(kHeartbeat, kHeartbeat, [this, &lag] {
      lag.tick(clock_.steady());
      service_.beat(clock_.steady());
    });
    AlertWatch alerts({loop_, http_, clock_, metrics_}, config_, desk, AlertWatch::in_file(folder_));
    if (auto started = alerts.start(); !started) return complain(started.error().detail, kExitUsage);
    if (auto started = desk.start(addresses_); !started) return complain(started.error());
    admin.serve(desk, &reloads);
    service_.ready("watching the edges of " +
                   config::Codec<std::vector<std::string>>::print(config_.members_edges));
    loop_.run();
    return kExitOk;
  }

 private:
  [[nodiscard]] auth::AdminSettings admin_settings(const Config& config) const {
    return {admin_token_file(config, folder_), config.admin_roles_file, config.admin_loopback};
  }

  Result<Desk::Names> find_names() const {
    Desk::Names names;
    names.admin_token_file = admin_token_file(config_, folder_);
    auto token = admin_token(config_, folder_);
    if (!token) return Error{token.error().code, "admin.token_file: " + token.error().detail};
    names.admin_token = *std::move(token);
    if (config_.broker_server_key_file.empty()) return names;
    auto key = mq::load_public_key(config_.broker_server_key_file);
    if (!key) return key.error();
    names.broker_public_key = *std::move(key);
    return names;
  }

  void join_reload(Desk& desk, Reloads& reloads) {
    reload_.join({[](const Config& next) { return log::check(next.log); },
                  [this] { (void)log::configure(log::named(config_.log, "supervisor")); }});
    reload_.join({[this](const Config& next) { return door_.prepare(admin_settings(next)); },
                  [this] { door_.take(); }});
    reload_.join({[this](const Config& next) -> Status {
                    auto addresses = parse_addresses(next.members_edges);
                    if (!addresses) return addresses.error();
                    if (trust_of(next, *addresses).in != trust_of(config_, addresses_).in)
                      return Error{
                          Errc::invalid_argument,
                          "members.edges: the first https:// member, or none any more, takes a restart"};
                    auto token = admin_token(next, folder_);
                    if (!token) return Error{token.error().code, "admin.token_file: " + token.error().detail};
                    next_addresses_ = *std::move(addresses);
                    next_token_ = *std::move(token);
                    return Done{};
                  },
                  [this, &desk, &reloads] {
                    addresses_ = next_addresses_;
                    desk.use(next_addresses_, next_token_);
                    reloads.use(next_token_);
                  }});
  }

  Result<std::string> reload_now(std::string_view why) {
    log::reopen();  // also when the settings are refused: somebody may have renamed the file
    const auto done = reload_();
    log::reloaded(why, done);
    if (!done) return done.error();
    return config::to_json(*done);
  }

  config::Reload<Config>& reload_;
  const Config& config_;
  ServiceManager service_;
  Folder folder_;
  std::vector<Address> addresses_, next_addresses_;
  std::string next_token_;
  loop::Loop loop_;
  SystemClock clock_;
  metrics::Registry registry_;
  log::LogMetrics logs_{registry_};
  Metrics metrics_;
  http::Context http_;
  auth::AdminDoor door_;
};

}  // namespace

int run(config::Reload<Config>& reload) {
  const Config& config = reload.settings();
  if (auto ok = log::configure(log::named(config.log, "supervisor")); !ok)
    return complain(ok.error().detail, kExitUsage);
  const auto addresses = parse_addresses(config.members_edges);
  if (!addresses) return complain(addresses.error());
  const auto listen = parse_listen(config.listen);
  if (!listen) return complain(listen.error());
  auto folder = open_folder(config.dir);
  if (!folder) return complain(folder.error().detail, kExitCannotStart);
  const auto lock = FolderLock::take(folder->lock_file("supervisor"));
  if (!lock)
    return complain(
        "another supervisor works in " + folder->root + " (" + lock.error().detail + "); stop it first",
        kExitCannotStart);
  // A name server that is silent holds up a stop no longer than this.
  ::setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
  return Run(reload, *std::move(folder), *addresses)(*listen);
}

}  // namespace tocsin::ops::members
