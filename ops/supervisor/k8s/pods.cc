#include "ops/supervisor/k8s/pods.h"

#include <algorithm>

namespace tocsin::ops::k8s {
namespace {

/// Not one that will be replaced.
bool newest(const Pod& pod, const StatefulSet& set) {
  return pod.set != set.name || set.update_revision.empty() || pod.revision == set.update_revision ||
         pod.ordinal < static_cast<std::int64_t>(set.partition);
}

EdgeView view_of(const Pod& pod, const Facts& facts) {
  EdgeView view;
  view.id = pod.name;
  view.release.revision = newest(pod, facts.set.get()) ? kNewest : kOlder;
  view.release.config_hash = pod.revision;
  view.leaving = leaving(pod, facts.set.get());
  view.ready = pod.running && !pod.terminating && !pod.ip.empty();
  view.awaited = view.ready;
  view.hopeless = pod.trouble;
  const EdgeWatch::Seen seen = facts.watch.of(pod.name, pod.uid);
  view.heard = facts.watch.heard(seen);
  view.heard_at = seen.heard_at.value_or(Instant{});
  view.state = seen.state;
  view.clients = seen.clients;
  view.weight = seen.weight;
  view.report = seen.report;
  view.sees = seen.sees;
  return view;
}

/// Wanted, and there is no pod of that name.
EdgeView missing(const std::string& name) {
  EdgeView view;
  view.id = name;
  view.release.revision = kNewest;
  view.awaited = false;
  return view;
}

}  // namespace

void PodTable::put(const json::Value& object) {
  Pod pod = parse_pod(object);
  if (!pod.name.empty()) pods_[pod.name] = std::move(pod);
}

bool leaving(const Pod& pod, const StatefulSet& set) {
  const bool own = !set.name.empty() && pod.set == set.name;
  return pod.terminating || (own && pod.ordinal >= static_cast<std::int64_t>(set.replicas));
}

std::vector<EdgeView> views_of(const Facts& facts) {
  const StatefulSet& set = facts.set.get();
  std::map<std::int64_t, EdgeView> own;
  std::vector<EdgeView> others;
  if (!set.name.empty())
    for (std::uint64_t i = 0; i < set.replicas; ++i)
      own.emplace(static_cast<std::int64_t>(i), missing(set.name + "-" + std::to_string(i)));
  for (const auto& [name, pod] : facts.pods.all()) {
    if (!set.name.empty() && pod.set == set.name && pod.ordinal >= 0)
      own[pod.ordinal] = view_of(pod, facts);
    else
      others.push_back(view_of(pod, facts));
  }
  std::vector<EdgeView> out;
  for (auto& [ordinal, view] : own) out.push_back(std::move(view));
  for (EdgeView& view : others) out.push_back(std::move(view));
  return out;
}

std::vector<Stand> stands_of(const Facts& facts) {
  std::vector<Stand> out;
  for (const EdgeView& view : views_of(facts)) {
    Stand stand;
    stand.name = view.id;
    const auto pod = facts.pods.all().find(view.id);
    const bool there = pod != facts.pods.all().end();
    if (there) stand.uid = pod->second.uid;
    // Kubernetes may know sooner than the next look at the edge that it has become ready.
    const bool young = view.state.empty() || view.state == "starting";
    const bool takes = view.takes_clients() || (young && view.ready && there && pod->second.ready);
    stand.leaving = view.leaving;
    stand.newest = view.release.revision == kNewest;
    stand.takes = takes && !view.leaving;
    stand.heard = view.heard;
    stand.starting = !view.leaving && !takes && young;
    stand.clients = view.clients;
    out.push_back(std::move(stand));
  }
  return out;
}

std::string url_of(const std::string& pattern, const Pod& pod, const std::string& name_space) {
  std::string out = pattern;
  const auto put = [&out](std::string_view what, const std::string& value) {
    for (auto at = out.find(what); at != std::string::npos; at = out.find(what, at + value.size()))
      out.replace(at, what.size(), value);
  };
  if (pod.ip.empty() && pattern.find("{ip}") != std::string::npos) return {};
  put("{ip}", pod.ip.find(':') == std::string::npos ? pod.ip : "[" + pod.ip + "]");
  put("{name}", pod.name);
  put("{namespace}", name_space);
  return out;
}

}  // namespace tocsin::ops::k8s
