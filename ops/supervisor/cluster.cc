#include "ops/supervisor/cluster.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "common/log/log.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {

Cluster::Cluster(loop::Loop& loop, const Clock& clock, Random& random, const Config& config, Folder folder,
                 Plan plan, SavedState saved, std::string admin_url, Events events)
    : loop_(loop),
      clock_(clock),
      random_(random),
      config_(config),
      folder_(std::move(folder)),
      plan_(std::move(plan)),
      saved_(std::move(saved)),
      admin_url_(std::move(admin_url)),
      events_(std::move(events)),
      sweep_(loop) {
  broker_ = make(plan_.broker);
  for (const auto& spec : plan_.edges) edges_.push_back(make(spec));
}

std::unique_ptr<SupervisedProcess> Cluster::make(SupervisedProcess::Spec spec) {
  const SupervisedProcess::Limits limits{
      .restart = {.max_delay = config_.restart_max, .stable = config_.stable_run},
      .start_timeout = config_.start_timeout};
  auto process = std::make_unique<SupervisedProcess>(
      loop_, clock_, std::move(spec), limits,
      SupervisedProcess::Events{
          .on_started = [this](SupervisedProcess& p) { on_started(p); },
          .on_ready = [this](SupervisedProcess& p) { on_ready(p); },
          .on_ended =
              [this](SupervisedProcess& p, const std::string& how) {
                log::warn("a process ended",
                          {{"process", p.spec().name}, {"how", how}, {"restarts", p.restarts()}});
                events_.on_restart();
                if (announced_) events_.on_news(p.spec().name + " " + how + "; starting it again");
              },
          .on_hopeless = [this](SupervisedProcess& p, int exit_code) { on_hopeless(p, exit_code); },
          .on_stopped = [this](SupervisedProcess&) { on_stopped(); }});
  process->hold(saved_.fleet.maintenance);
  return process;
}

bool Cluster::adopt(SupervisedProcess& process) {
  const auto known = saved_.processes.find(process.spec().name);
  if (known == saved_.processes.end() || known->second.fingerprint != process.spec().fingerprint)
    return false;
  if (!process.adopt(known->second.id)) return false;
  log::info("adopted a running process", {{"process", process.spec().name}, {"pid", known->second.id.pid}});
  return true;
}

void Cluster::start() {
  dismiss_strangers();
  const bool broker_runs = adopt(*broker_);
  bool any = broker_runs;
  for (auto& edge : edges_) any = adopt(*edge) || any;
  adopted_ = any;
  if (!any) ::unlink(folder_.cluster_file().c_str());  // of a run that was not stopped properly
  // In maintenance what died is left alone, also by the next supervisor; a cluster that is started anew is
  // not.
  const bool rests = adopted_ && saved_.fleet.maintenance;
  if (!broker_runs) rests ? broker_->rest() : broker_->start();
  // Edges that run wait for a broker by themselves, so do those that are started beside them.
  if (any) start_edges();
}

void Cluster::start_edges() {
  if (std::exchange(edges_started_, true)) return;
  for (auto& edge : edges_)
    if (edge->state() == SupervisedProcess::State::idle)
      adopted_&& saved_.fleet.maintenance ? edge->rest() : edge->start();
}

void Cluster::dismiss_strangers() {
  // What an earlier run left behind and this one would start otherwise, or not at all.
  std::map<std::string, std::string> planned{{plan_.broker.name, plan_.broker.fingerprint}};
  for (const auto& spec : plan_.edges) planned.emplace(spec.name, spec.fingerprint);
  for (const auto& [name, process] : saved_.processes) {
    const auto found = planned.find(name);
    if (found != planned.end() && found->second == process.fingerprint) continue;
    if (identify(process.id.pid) != process.id) continue;
    log::info("stopping a process that was started otherwise", {{"process", name}, {"pid", process.id.pid}});
    ::kill(process.id.pid,
           name == "broker" ? SIGTERM : SIGINT);  // an edge then does not wait for its clients
    // It holds a port or the data folder that its successor needs.
    for (int i = 0; i < 100 && identify(process.id.pid) == process.id; ++i) ::usleep(50'000);
    if (identify(process.id.pid) == process.id) ::kill(process.id.pid, SIGKILL);
  }
  std::erase_if(saved_.processes, [&](const auto& entry) {
    const auto found = planned.find(entry.first);
    return found == planned.end() || found->second != entry.second.fingerprint;
  });
}

void Cluster::on_started(SupervisedProcess& process) {
  saved_.processes[process.spec().name] = {*process.id(), process.spec().fingerprint, false};
  note();
  log::info("started a process", {{"process", process.spec().name}, {"pid", process.id()->pid}});
}

void Cluster::on_ready(SupervisedProcess& process) {
  saved_.processes[process.spec().name] = {*process.id(), process.spec().fingerprint, true};
  note();
  log::info("a process is ready", {{"process", process.spec().name}, {"pid", process.id()->pid}});
  if (stopping_) return;
  if (&process == broker_.get()) start_edges();
  if (announced_) {
    write_cluster_file();
    events_.on_news(process.spec().name + " is ready (process " + std::to_string(process.id()->pid) + ")");
  }
  announce();
}

void Cluster::announce() {
  const auto all = processes();
  const bool up = std::all_of(all.begin(), all.end(), [this](const SupervisedProcess* p) {
    const bool rests = saved_.fleet.maintenance && p->state() == SupervisedProcess::State::waiting;
    return p->state() == SupervisedProcess::State::ready || p->hopeless() || rests;
  });
  if (announced_ || !up) return;
  announced_ = true;
  write_cluster_file();
  events_.on_ready(file());
}

void Cluster::on_hopeless(SupervisedProcess& process, int exit_code) {
  const std::string& log_file = process.spec().program.log_file;
  std::string reason = reason_from_log(log_file);
  if (reason.empty()) reason = process.last_end();
  log::error("a process cannot start",
             {{"process", process.spec().name}, {"exit_code", exit_code}, {"reason", reason}});
  // A cluster that is up goes on without it: the move that wanted it finds it hopeless.
  if (announced_ || adopted_) {
    events_.on_news(process.spec().name + " cannot start: " + reason);
    return announce();
  }
  events_.on_hopeless(process.spec().name + " cannot start: " + reason + " (log: " + log_file + ")",
                      exit_code);
}

bool Cluster::all_ready() const {
  const auto all = processes();
  return std::all_of(all.begin(), all.end(), [](const SupervisedProcess* p) {
    return p->state() == SupervisedProcess::State::ready;
  });
}

std::vector<const SupervisedProcess*> Cluster::processes() const {
  std::vector<const SupervisedProcess*> out{broker_.get()};
  for (const auto& edge : edges_) out.push_back(edge.get());
  return out;
}

ClusterFile Cluster::file() const {
  // A process that is being started again has no pid yet: the last one known stands until it is ready.
  const auto pid_of = [&](const SupervisedProcess& p) {
    const auto known = saved_.processes.find(p.spec().name);
    return known == saved_.processes.end() ? pid_t{0} : known->second.id.pid;
  };
  ClusterFile file;
  file.broker = {pid_of(*broker_), broker_->info().endpoint, broker_->info().http, plan_.broker_public_key};
  file.supervisor = {::getpid(), admin_url_, folder_.token_file()};
  for (const auto& edge : edges_)
    if (!edge->info().http.empty())
      file.edges.push_back({edge->spec().name, pid_of(*edge), edge->info().ws, edge->info().http});
  file.dir = folder_.root;
  file.client_key_file = plan_.client_key_file;
  return file;
}

Status Cluster::save() { return write_atomically(folder_.state_file(), saved_.to_json()); }

void Cluster::note() {
  if (auto done = save(); !done)
    log::error("the supervisor's state is not on disk", {{"reason", done.error().detail}});
}

void Cluster::write_cluster_file() {
  if (auto done = write_atomically(folder_.cluster_file(), file().to_json()); !done)
    log::error("cluster.json is out of date", {{"reason", done.error().detail}});
}

void Cluster::stop() {
  if (std::exchange(stopping_, true)) {
    for (auto& edge : edges_) edge->kill();
    for (auto& edge : retiring_) edge->kill();
    broker_->kill();
    return;
  }
  ::unlink(folder_.cluster_file().c_str());
  if (edges_.empty() && retiring_.empty()) return broker_->stop({SIGTERM, config_.stop_timeout});
  for (auto& edge : edges_) edge->stop({SIGINT, config_.stop_timeout});
  for (auto& edge : retiring_) edge->stop({SIGINT, config_.stop_timeout});
}

void Cluster::on_stopped() {
  const auto stopped = [](const auto& p) { return p->state() == SupervisedProcess::State::stopped; };
  if (!stopping_) return sweep_.start(Millis{0}, [this] { sweep(); });
  if (!std::all_of(edges_.begin(), edges_.end(), stopped)) return;
  if (!std::all_of(retiring_.begin(), retiring_.end(), stopped)) return;
  // Last: edges hand in their sessions while they stop.
  if (!stopped(broker_)) return broker_->stop({SIGTERM, config_.stop_timeout});
  saved_.processes.clear();
  note();
  events_.on_stopped();
}

}  // namespace tocsin::ops
