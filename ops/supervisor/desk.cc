#include "ops/supervisor/desk.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>

#include "common/log/log.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {
namespace {

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> out;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.ends_with(".json")) out.push_back(folder + "/" + name);
  }
  ::closedir(dir);
  return out;
}

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

Desk::Desk(loop::Loop& loop, const Clock& clock, Metrics& metrics, Folder folder, Cluster& cluster,
           EdgeWatch& watch)
    : clock_(clock),
      metrics_(metrics),
      folder_(std::move(folder)),
      cluster_(cluster),
      watch_(watch),
      moves_(*this),
      timer_(loop) {}

void Desk::start() {
  std::vector<Record> records;
  for (const std::string& file : files_in(folder_.plans())) {
    const auto text = read_file(file);
    auto record = text ? Record::parse(*text) : Result<Record>(text.error());
    if (record) {
      phases_[record->id] = record->phase;
      records.push_back(*std::move(record));
    } else {
      log::error("a plan does not read back", {{"file", file}, {"reason", record.error().detail}});
    }
  }
  moves_.load(std::move(records));
  timer_.start(kTick, kTick, [this] { tick(); });
}

void Desk::tick() {
  watch_.poll(moves_.any_running() ? EdgeWatch::kCheckMoving : EdgeWatch::kCheck);
  for (const std::string& id : moves_.tick(clock_.steady())) {
    ::unlink(folder_.plan_file(id).c_str());
    phases_.erase(id);
  }
  std::int64_t running = 0;
  for (const auto& move : moves_.all()) running += move->ended() ? 0 : 1;
  metrics_.moves_running.set(running);
  metrics_.maintenance.set(maintenance() ? 1 : 0);
}

void Desk::log_change(const Record& record) {
  const auto known = phases_.find(record.id);
  if (known != phases_.end() && known->second == record.phase) return;
  phases_[record.id] = record.phase;
  log::info("a plan goes on", {{"plan", record.id},
                               {"phase", to_text(record.phase)},
                               {"edge", record.edge.empty() ? record.order.edge : record.edge},
                               {"reason", record.reason}});
  if (record.phase == Phase::failed) metrics_.moves_failed.add();
}

Status Desk::persist(const Record& record) {
  auto saved = write_atomically(folder_.plan_file(record.id), record.to_json());
  if (saved) log_change(record);
  return saved;
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

void Desk::replace_broker(const Release& release) {
  complain(cluster_.set_release(release), "release", "the cluster");
  complain(cluster_.replace_broker(release), "replace", "the broker");
}

}  // namespace tocsin::ops
