// The part of Cluster that changes the fleet while it runs.
#include <signal.h>

#include <algorithm>

#include "common/log/log.h"
#include "common/mq/curve.h"
#include "ops/supervisor/cluster.h"

namespace tocsin::ops {
namespace {

/// What an edge may take that still has clients: its own drain is shorter.
constexpr Millis kRetirePatience{60'000};

}  // namespace

SupervisedProcess* Cluster::edge(const std::string& name) const {
  for (const auto& edge : edges_)
    if (edge->spec().name == name) return edge.get();
  return nullptr;
}

Status Cluster::save_fleet(Fleet before) {
  auto saved = save();
  if (!saved) saved_.fleet = std::move(before);
  return saved;
}

void Cluster::sort_edges() {
  const auto names = saved_.fleet.names();
  const auto rank = [&](const auto& edge) {
    return std::find(names.begin(), names.end(), edge->spec().name);
  };
  std::sort(edges_.begin(), edges_.end(), [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

Status Cluster::add_edge(const std::string& name, const Release& release) {
  if (stopping_) return Error{Errc::unavailable, "the cluster is being stopped"};
  if (edge(name) != nullptr) return Done{};
  for (const auto& old : retiring_)
    if (old->spec().name == name) return Error{Errc::unavailable, "the one before is still being stopped"};
  auto spec = plan_edge(config_, folder_, saved_, name, release, random_);
  if (!spec) return spec.error();
  Fleet before = saved_.fleet;
  saved_.fleet.edges[name] = release;
  if (auto saved = save_fleet(std::move(before)); !saved) return saved;
  log::info("adding an edge", {{"edge", name}, {"revision", release.revision}});
  edges_.push_back(make(*std::move(spec)));
  sort_edges();
  edge(name)->start();
  return Done{};
}

Status Cluster::replace_edge(const std::string& name, const Release& release) {
  SupervisedProcess* process = edge(name);
  if (stopping_ || process == nullptr) return Error{Errc::unavailable, name + " is not there"};
  if (saved_.fleet.edges[name] == release) return Done{};
  auto spec = plan_edge(config_, folder_, saved_, name, release, random_);
  if (!spec) return spec.error();
  Fleet before = saved_.fleet;
  saved_.fleet.edges[name] = release;
  if (auto saved = save_fleet(std::move(before)); !saved) return saved;
  log::info("replacing an edge", {{"edge", name}, {"revision", release.revision}});
  process->replace(*std::move(spec), {SIGTERM, kRetirePatience});
  return Done{};
}

Status Cluster::replace_broker(const Release& release) {
  if (stopping_) return Error{Errc::unavailable, "the cluster is being stopped"};
  if (broker_->state() == SupervisedProcess::State::stopping) return Done{};
  auto spec = plan_broker(folder_, saved_, release, random_);
  if (!spec) return spec.error();
  Fleet before = saved_.fleet;
  saved_.fleet.broker = release;
  if (auto saved = save_fleet(std::move(before)); !saved) return saved;
  log::info("replacing the broker", {{"revision", release.revision}});
  broker_->replace(*std::move(spec), {SIGTERM, kRetirePatience});
  return Done{};
}

Status Cluster::retire_edge(const std::string& name) {
  const auto found =
      std::find_if(edges_.begin(), edges_.end(), [&](const auto& e) { return e->spec().name == name; });
  if (found == edges_.end()) return Done{};
  Fleet before = saved_.fleet;
  saved_.fleet.edges.erase(name);
  saved_.fleet.cordoned.erase(name);
  if (auto saved = save_fleet(std::move(before)); !saved) return saved;
  log::info("retiring an edge", {{"edge", name}});
  retiring_.push_back(std::move(*found));
  edges_.erase(found);
  if (announced_) write_cluster_file();
  retiring_.back()->stop({SIGTERM, kRetirePatience});
  return Done{};
}

void Cluster::sweep() {
  std::erase_if(retiring_, [this](const auto& process) {
    if (process->state() != SupervisedProcess::State::stopped) return false;
    log::info("an edge has left", {{"edge", process->spec().name}});
    saved_.processes.erase(process->spec().name);
    return true;
  });
  note();
}

Status Cluster::set_release(const Release& release) {
  if (saved_.fleet.release == release) return Done{};
  Fleet before = saved_.fleet;
  saved_.fleet.release = release;
  return save_fleet(std::move(before));
}

Status Cluster::set_cordoned(const std::string& name, bool on) {
  if (saved_.fleet.cordoned.contains(name) == on) return Done{};
  Fleet before = saved_.fleet;
  if (on)
    saved_.fleet.cordoned.insert(name);
  else
    saved_.fleet.cordoned.erase(name);
  return save_fleet(std::move(before));
}

Status Cluster::set_maintenance(bool on) {
  if (saved_.fleet.maintenance == on) return Done{};
  Fleet before = saved_.fleet;
  saved_.fleet.maintenance = on;
  if (auto saved = save_fleet(std::move(before)); !saved) return saved;
  broker_->hold(on);
  for (auto& process : edges_) process->hold(on);
  return Done{};
}

std::vector<const SupervisedProcess*> Cluster::retiring() const {
  std::vector<const SupervisedProcess*> out;
  for (const auto& process : retiring_) out.push_back(process.get());
  return out;
}

void Cluster::look_at_keys() {
  const auto key = mq::load_public_key(folder_.broker_public_key_file());
  if (!key) return log::warn("the broker's key does not read well", {{"detail", key.error().detail}});
  if (*key == plan_.broker_public_key) return;
  plan_.broker_public_key = *key;
  if (announced_ && !stopping_) write_cluster_file();
}

}  // namespace tocsin::ops
