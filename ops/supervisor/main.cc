// tocsin-supervisor: runs a local cluster's processes and keeps them running. `tocsinctl up` starts it; it
// can also stand alone under a service manager. Where others run the processes, k8s/run.cc and members/run.cc
// take over. Command line: the rows of config.h.
#include <signal.h>

#include <cstdio>
#include <exception>
#include <string>
#include <utility>

#include "common/config/program.h"
#include "common/log/log.h"
#include "common/log/metrics.h"
#include "common/log/reloaded.h"
#include "common/log/slow.h"
#include "common/loop/handles.h"
#include "common/metrics/process.h"
#include "common/service_manager.h"
#include "ops/cluster/file.h"
#include "ops/supervisor/admin.h"
#include "ops/supervisor/alerts/alert_watch.h"
#include "ops/supervisor/cluster.h"
#include "ops/supervisor/desk.h"
#include "ops/supervisor/k8s/run.h"
#include "ops/supervisor/keys.h"
#include "ops/supervisor/members/run.h"
#include "ops/supervisor/reloads.h"

namespace tocsin::ops {
namespace {

constexpr Millis kHeartbeat{1'000};
constexpr Millis kPredecessor{15'000};  ///< one that is stopping its processes still holds the folder

int complain(const std::string& sentence, int code) {
  std::fprintf(stderr, "tocsin-supervisor: %s\n", sentence.c_str());
  log::error(sentence);
  return code;
}

void say(const std::string& text) {
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

/// What the processes said of a reload that a signal asked for: nobody waits for an answer.
void note(const std::string& said) {
  const auto document = json::parse(said);
  const auto ok =
      document ? json::bool_member(*document, "ok") : Result<std::optional<bool>>(std::optional<bool>());
  if (ok && ok->value_or(false)) return log::info("every process was reloaded");
  log::error("not every process was reloaded", {{"said", said}});
}

void announce(const Config& config, const ClusterFile& file, bool adopted) {
  if (config.announce == Announce::none) return;
  if (config.announce == Announce::json) {
    std::fputs(file.to_json().c_str(), stdout);
    std::fflush(stdout);
    return;
  }
  if (adopted) return say("the supervisor is back, every process went on running");
  std::string out = "Tocsin is up.\n  broker      " + file.broker.ingest + "\n";
  for (const auto& edge : file.edges) out += "  " + edge.id + "      " + edge.http + "   " + edge.ws + "\n";
  out += "  supervisor  " + file.supervisor.http + "\n  folder      " + file.dir +
         "\n\nTry next, in another terminal:\n";
  say(out + "  tocsinctl --cluster " + file.dir + "/cluster.json demo --duration 1m & tocsinctl --cluster " +
      file.dir + "/cluster.json tail incidents\n\nCtrl-C stops everything.");
}

/// Everything with a life on the loop, in order of construction.
class Run {
 public:
  Run(config::Reload<Config>& reload, std::string config_file, Folder folder)
      : reload_(reload),
        config_(reload.settings()),
        config_file_(std::move(config_file)),
        folder_(std::move(folder)),
        metrics_(registry_),
        http_(loop_, {http::Trust::In::anyone, {}}) {}

  int operator()() {
    auto saved = load_state(folder_.state_file());
    if (!saved)
      return complain(saved.error().detail + "; remove that file if no process of this cluster runs any more",
                      kExitCannotStart);
    const bool adopting = !saved->processes.empty();
    auto plan = make_plan(config_, config_file_, folder_, *saved, random_);
    if (!plan)
      return complain(plan.error().detail,
                      plan.error().code == Errc::invalid_argument ? kExitUsage : kExitCannotStart);
    const auto token = ensure_token(folder_);
    if (!token) return complain(token.error().detail, kExitCannotStart);
    if (auto ready = door_.prepare(admin_settings(config_)); !ready)
      return complain(ready.error().detail, kExitUsage);
    door_.take();
    join_reload();
    Admin admin(http_, metrics_, door_);
    const std::string address = config_.listen.substr(0, config_.listen.rfind(':'));
    if (auto up = admin.listen(address, plan->admin_port); !up)
      return complain(up.error().detail, kExitCannotStart);

    Cluster cluster(loop_, clock_, random_, config_, folder_, *std::move(plan), *std::move(saved),
                    "http://" + address + ":" + std::to_string(admin.port()), events(adopting));
    Reloads reloads(
        http_, [&cluster] { return reload_targets(cluster); }, *token,
        [this](std::string_view why) { return reload_now(why); });
    loop::Signals signals(loop_, {SIGTERM, SIGINT, SIGHUP}, [&](int number) {
      if (number == SIGHUP)
        return (void)reloads.start("SIGHUP", {}, [](const std::string& said) { note(said); });
      service_.stopping("stopping the cluster's processes", 2 * config_.stop_timeout);
      cluster.stop();
    });
    loop::Timer heart(loop_);
    log::LoopLag lag(kHeartbeat);
    heart.start(kHeartbeat, kHeartbeat, [this, &lag] {
      lag.tick(clock_.steady());
      service_.beat(clock_.steady());
    });
    // SIGTERM was kept waiting by who started us until there is somebody to hear it.
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    cluster_ = &cluster;
    EdgeWatch watch(
        http_, clock_, [&cluster] { return edge_targets(cluster); }, *token);
    Desk desk(loop_, clock_, metrics_, folder_, cluster, watch);
    admin.serve(desk, &reloads);
    AlertWatch alerts({loop_, http_, clock_, metrics_}, config_, desk, AlertWatch::in_file(folder_));
    if (auto started = alerts.start(); !started) return complain(started.error().detail, kExitUsage);
    cluster.start();
    desk.start();
    loop_.run();
    return exit_code_;
  }

 private:
  [[nodiscard]] auth::AdminSettings admin_settings(const Config& config) const {
    return {folder_.token_file(), config.admin_roles_file, config.admin_loopback};
  }

  void join_reload() {
    reload_.join({[](const Config& next) { return log::check(next.log); },
                  [this] {
                    log::Settings logs = log::named(config_.log, "supervisor");
                    if (logs.file.empty()) logs.file = folder_.log_file("supervisor");
                    (void)log::configure(logs);
                  }});
    reload_.join({[this](const Config& next) { return door_.prepare(admin_settings(next)); },
                  [this] { door_.take(); }});
    reload_.join({{}, [this] {
                    if (cluster_ != nullptr) cluster_->look_at_keys();
                  }});
  }

  Result<std::string> reload_now(std::string_view why) {
    log::reopen();  // also when the settings are refused: somebody may have renamed the files
    const auto done = reload_();
    log::reloaded(why, done);
    if (!done) return done.error();
    return config::to_json(*done);
  }

  Cluster::Events events(bool adopting) {
    return {.on_ready =
                [this, adopting](const ClusterFile& file) {
                  service_.ready("the cluster is up, " + std::to_string(file.edges.size()) + " edges");
                  announce(config_, file, adopting);
                },
            .on_news =
                [this](const std::string& sentence) {
                  if (config_.announce == Announce::text) say(sentence);
                },
            .on_restart = [this] { metrics_.restarts.add(); },
            .on_hopeless =
                [this](const std::string& reason, int exit_code) {
                  const int code = exit_code == kExitUsage ? kExitUsage : kExitCannotStart;
                  if (exit_code_ == kExitOk) exit_code_ = complain(reason, code);
                  cluster_->stop();
                },
            .on_stopped = [this] { loop_.stop(); }};
  }

  config::Reload<Config>& reload_;
  const Config& config_;
  ServiceManager service_;
  std::string config_file_;
  Folder folder_;
  loop::Loop loop_;
  SystemClock clock_;
  SystemRandom random_;
  metrics::Registry registry_;
  metrics::ProcessMetrics process_{registry_};
  log::LogMetrics logs_{registry_};
  Metrics metrics_;
  http::Context http_;
  auth::AdminDoor door_;
  Cluster* cluster_ = nullptr;
  int exit_code_ = kExitOk;
};

int run(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // the terminal that started us may be gone
  ::signal(SIGHUP, SIG_IGN);   // until there is somebody to reload
  auto start = config::start(
      kOptions,
      {.name = "tocsin-supervisor", .summary = "Runs a local cluster and keeps its processes running."}, argc,
      argv);
  if (!start.loaded) return start.exit_code;
  const Config& config = start.loaded->value;
  config::Reload<Config> reload(kOptions, start.sources, start.loaded->value);
  if (config.platform == Platform::kubernetes) return k8s::run(config);
  if (config.platform == Platform::members) return members::run(reload);
  const auto line = config::read_command_line(argc, argv);
  auto folder = open_folder(config.dir);
  if (!folder) return complain(folder.error().detail, kExitCannotStart);
  log::Settings logs = config.log;
  logs.component = "supervisor";
  if (logs.file.empty()) logs.file = folder->log_file("supervisor");
  if (auto ok = log::configure(logs); !ok) return complain(ok.error().detail, kExitUsage);
  const auto lock = FolderLock::take(folder->lock_file("supervisor"), kPredecessor);
  if (!lock)
    return complain(
        "another supervisor works in " + folder->root + " (" + lock.error().detail + "); stop it first",
        kExitCannotStart);
  return Run(reload, line ? line->file : std::string(), *folder)();
}

}  // namespace
}  // namespace tocsin::ops

int main(int argc, char** argv) {
  try {
    return tocsin::ops::run(argc, argv);
  } catch (const std::exception& error) {  // libraries throw at start-up
    std::fprintf(stderr, "tocsin-supervisor: %s\n", error.what());
    return tocsin::kExitFailure;
  }
}
