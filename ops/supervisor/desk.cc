#include "ops/supervisor/desk.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "common/log/log.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {
namespace {

void complain(const Status& status, const char* what, const std::string& name) {
  if (!status)
    log::warn("could not be done yet", {{"what", what}, {"of", name}, {"reason", status.error().detail}});
}

std::string why_hopeless(const SupervisedProcess& process) {
  if (!process.hopeless()) return {};
  const std::string& file = process.spec().program.log_file;
  const std::string reason = reason_from_log(file);
  return process.spec().name + " cannot start: " + (reason.empty() ? process.last_end() : reason) +
         " (log: " + file + ")";
}

EdgeWatch::Target target_of(const SupervisedProcess& process, const Cluster& cluster) {
  EdgeWatch::Target target;
  target.name = process.spec().name;
  target.instance = std::to_string(process.id() ? process.id()->pid : 0);
  if (process.state() == SupervisedProcess::State::ready)
    target.http = process.info().http;
  else
    target.why = "the process is " + std::string(to_text(process.state()));
  target.cordoned = cluster.fleet().cordoned.contains(target.name);
  return target;
}

const SupervisedProcess* find_edge(const Cluster& cluster, const std::string& name) {
  for (const SupervisedProcess* process : cluster.processes())
    if (process->spec().name == name && name != "broker") return process;
  return nullptr;
}

}  // namespace

std::vector<EdgeWatch::Target> edge_targets(const Cluster& cluster) {
  std::vector<EdgeWatch::Target> out;
  for (const SupervisedProcess* process : cluster.processes())
    if (process->spec().name != "broker") out.push_back(target_of(*process, cluster));
  return out;
}

std::vector<Reloads::Process> reload_targets(const Cluster& cluster) {
  std::vector<Reloads::Process> out;
  for (const SupervisedProcess* process : cluster.processes()) {
    Reloads::Process one{
        process->spec().name, {}, "the process is " + std::string(to_text(process->state()))};
    if (process->state() == SupervisedProcess::State::ready) one.http = process->info().http;
    out.push_back(std::move(one));
  }
  return out;
}

Desk::Desk(loop::Loop& loop, const Clock& clock, Metrics& metrics, Folder folder, Cluster& cluster,
           EdgeWatch& watch)
    : clock_(clock),
      metrics_(metrics),
      folder_(std::move(folder)),
      plans_(folder_, metrics),
      cluster_(cluster),
      watch_(watch),
      moves_(*this),
      timer_(loop) {}

void Desk::start() {
  moves_.load(plans_.load());
  timer_.start(kTick, kTick, [this] { tick(); });
}

void Desk::tick() {
  watch_.poll(moves_.any_running() ? EdgeWatch::kCheckMoving : EdgeWatch::kCheck);
  for (const std::string& id : moves_.tick(clock_.steady())) plans_.forget(id);
  std::int64_t running = 0;
  for (const auto& move : moves_.all()) running += move->ended() ? 0 : 1;
  metrics_.moves_running.set(running);
  metrics_.maintenance.set(maintenance() ? 1 : 0);
}

EdgeView Desk::view_of(const SupervisedProcess& process, bool retiring) const {
  EdgeView view;
  view.id = process.spec().name;
  view.ready = !retiring && process.state() == SupervisedProcess::State::ready;
  if (retiring) return view;
  const auto& releases = cluster_.fleet().edges;
  if (const auto of = releases.find(view.id); of != releases.end()) view.release = of->second;
  view.hopeless = why_hopeless(process);
  const EdgeWatch::Seen seen = watch_.of(view.id, target_of(process, cluster_).instance);
  view.heard = watch_.heard(seen);
  view.heard_at = seen.heard_at.value_or(Instant{});
  view.state = seen.state;
  view.clients = seen.clients;
  view.weight = seen.weight;
  view.report = seen.report;
  view.sees = seen.sees;
  return view;
}

std::vector<EdgeView> Desk::edges() const {
  std::vector<EdgeView> out;
  for (const SupervisedProcess* process : cluster_.processes())
    if (process->spec().name != "broker") out.push_back(view_of(*process, false));
  for (const SupervisedProcess* process : cluster_.retiring()) out.push_back(view_of(*process, true));
  return out;
}

BrokerView Desk::broker() const {
  const SupervisedProcess& process = *cluster_.processes().front();
  return {process.id().value_or(ProcessId{}), process.state() == SupervisedProcess::State::ready,
          why_hopeless(process)};
}

void Desk::post(const std::string& edge, const std::string& what, const std::string& body,
                std::function<void(Status)> answer) {
  const SupervisedProcess* process = find_edge(cluster_, edge);
  if (process != nullptr && process->state() == SupervisedProcess::State::ready)
    return watch_.post(target_of(*process, cluster_), what, body, std::move(answer));
  answer(Error{Errc::unavailable, edge + " does not run now"});
}

void Desk::cordon(const std::string& edge, bool on) {
  complain(cluster_.set_cordoned(edge, on), "cordon", edge);
}

void Desk::set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) {
  const SupervisedProcess* found = find_edge(cluster_, edge);
  if (found == nullptr) return answer(unknown_edge(edge, edges()));
  if (auto set = cluster_.set_cordoned(edge, on); !set) return answer(set.error());
  // One that does not run now is told when it does.
  if (found->state() != SupervisedProcess::State::ready) return answer(Told::later);
  watch_.post(target_of(*found, cluster_), on ? "cordon" : "uncordon", "{}", [answer](const Status& done) {
    answer(done ? Result<Told>(Told::now) : Result<Told>(done.error()));
  });
}

Status Desk::start_edge(const std::string& name, const Release& release) {
  return cluster_.add_edge(name, release);
}

void Desk::replace_edge(const std::string& name, const Release& release) {
  complain(cluster_.replace_edge(name, release), "replace", name);
}

void Desk::retire_edge(const std::string& name) { complain(cluster_.retire_edge(name), "retire", name); }

/// The release of a rolling restart: the one before with another folder or file, and the next revision.
Result<Release> Desk::next_release(const json::Value& body) const {
  const auto programs = json::string_member(body, "programs");
  const auto config = json::string_member(body, "config");
  if (!programs) return programs.error();
  if (!config) return config.error();
  Release release = cluster_.fleet().release;
  if (*programs) release.programs = **programs;
  if (*config) release.config_file = **config;
  for (const char* name : {"tocsin-broker", "tocsin-edge"})
    if (const std::string path = release.programs + "/" + name; ::access(path.c_str(), X_OK) != 0)
      return Error{Errc::invalid_argument,
                   path + " is no program that can be run; give the folder that has it"};
  if (!release.config_file.empty() && ::access(release.config_file.c_str(), R_OK) != 0)
    return Error{Errc::invalid_argument, "the configuration " + release.config_file + " cannot be read"};
  release.config_hash = hash_of_file(release.config_file);
  // What an earlier, aborted restart has given to some edges is older than what this one gives.
  ++release.revision;
  for (const auto& [name, of] : cluster_.fleet().edges)
    release.revision = std::max(release.revision, of.revision + 1);
  return release;
}

void Desk::count(Metrics& metrics) const {
  std::int64_t all = 0, ready = 0, serving = 0;
  for (const SupervisedProcess* process : cluster_.processes()) {
    ++all;
    ready += process->state() == SupervisedProcess::State::ready ? 1 : 0;
    const EdgeWatch::Target target = target_of(*process, cluster_);
    serving += watch_.of(target.name, target.instance).ready ? 1 : 0;
  }
  metrics.processes.set(all);
  metrics.processes_ready.set(ready);
  metrics.edges_ready.set(serving);
}

std::vector<Watched> Desk::watched() const {
  std::vector<Watched> out;
  for (const SupervisedProcess* process : cluster_.processes()) {
    const EdgeWatch::Target target = target_of(*process, cluster_);
    const bool runs = process->state() == SupervisedProcess::State::ready;
    const bool serves = target.name == "broker" || watch_.serves(watch_.of(target.name, target.instance));
    out.push_back({target.name, target.http, runs && serves,
                   process->id() ? static_cast<std::uint64_t>(process->id()->pid) : 0});
  }
  return out;
}

std::uint64_t Desk::restarts() const {
  std::uint64_t all = 0;
  for (const SupervisedProcess* process : cluster_.processes()) all += process->restarts();
  return all;
}

double Desk::disk_free_percent() const {
  struct statvfs room {};
  if (::statvfs(folder_.data().c_str(), &room) != 0 || room.f_blocks == 0) return 100;
  return 100.0 * static_cast<double>(room.f_bavail) / static_cast<double>(room.f_blocks);
}

void Desk::replace_broker(const Release& release) {
  complain(cluster_.set_release(release), "release", "the cluster");
  complain(cluster_.replace_broker(release), "replace", "the broker");
}

}  // namespace tocsin::ops
