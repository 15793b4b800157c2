// The part of Move that only a rolling restart has. A client makes one hop, to an edge of the new release;
// those that went to the surge edge while no other was ready make a second one at the end: 1 + 1/N on
// average.
#include <algorithm>

#include "ops/supervisor/moves/move.h"

namespace tocsin::ops {

bool Move::next_edge() {
  if (port_.maintenance()) return wait("maintenance is on");
  // The one with the fewest clients first: they are the ones that make a second hop.
  std::optional<EdgeView> edge;
  for (EdgeView& view : port_.edges()) {
    const bool waits =
        std::find(record_.waiting.begin(), record_.waiting.end(), view.id) != record_.waiting.end();
    if (waits && view.heard && view.heard_at < *since_) return false;  // its count is of before
    if (waits && (!edge || view.clients < edge->clients)) edge = std::move(view);
  }
  if (!edge) return empty_surge();
  const std::string name = edge->id;
  record_.edge = name;
  record_.before = edge->release;
  Pace pace = record_.order.pace;
  pace.to = restart_targets(name);
  if (pace.to.empty()) return wait("no edge of the new revision takes clients");
  port_.cordon(name, true);
  add_task(name, 0, std::move(pace));
  return go(Phase::moving);
}

std::vector<std::string> Move::restart_targets(const std::string& name) const {
  std::vector<EdgeView> fit;
  std::uint64_t clients = 0, others = 0;
  for (const EdgeView& edge : port_.edges()) {
    clients += edge.clients;
    others += edge.id == kSurgeEdge ? 0 : 1;
    const bool released = record_.clearing || edge.release.revision >= record_.order.release.revision;
    if (edge.id != name && edge.id != kSurgeEdge && released && edge.takes_clients()) fit.push_back(edge);
  }
  if (fit.empty())
    return name == kSurgeEdge ? std::vector<std::string>{} : std::vector<std::string>{kSurgeEdge};
  // Those that have less than their share, so that nobody has to move again for the sake of balance.
  const std::uint64_t share = others == 0 ? 0 : clients / others;
  std::vector<std::string> low, all;
  for (const EdgeView& edge : fit) {
    all.push_back(edge.id);
    if (edge.clients * 10 < share * 9) low.push_back(edge.id);
  }
  return low.empty() ? all : low;
}

bool Move::empty_surge() {
  Pace pace = record_.order.pace;
  pace.to = restart_targets(kSurgeEdge);
  if (pace.to.empty()) return wait("no edge takes the clients of the surge edge");
  record_.edge = kSurgeEdge;
  port_.cordon(kSurgeEdge, true);
  add_task(kSurgeEdge, 0, std::move(pace));
  return go(Phase::moving);
}

bool Move::replace() {
  const auto edge = find(record_.edge);
  if (!edge) return fail(record_.edge + " is gone");
  if (edge->release != record_.order.release) {
    if (!held(record_.edge)) port_.cordon(record_.edge, false);
    port_.replace_edge(record_.edge, record_.order.release);
    return false;
  }
  if (!edge->hopeless.empty()) {
    record_.outcome = Phase::failed;
    record_.reason = edge->hopeless + "; it got its old programs and configuration back";
    return go(Phase::reverting);
  }
  if (!settled(*edge)) return false;
  std::erase(record_.waiting, record_.edge);
  if (record_.outcome != Phase::done) return go(Phase::undoing);
  return next_edge();
}

bool Move::revert() {
  const auto edge = find(record_.edge);
  if (edge && edge->release != record_.before) {
    port_.replace_edge(record_.edge, record_.before);
    return false;
  }
  return !edge || settled(*edge) || !edge->hopeless.empty() ? go(Phase::undoing) : false;
}

bool Move::restart_broker() {
  const BrokerView broker = port_.broker();
  if (!broker.hopeless.empty() && record_.outcome == Phase::done) {
    record_.outcome = Phase::failed;
    record_.reason = broker.hopeless + "; it got its old programs and configuration back";
    port_.replace_broker(record_.before);
    return false;
  }
  if (record_.outcome != Phase::done)
    return broker.ready || !broker.hopeless.empty() ? go(Phase::failed) : false;
  if (broker.id == record_.broker_before) {
    port_.replace_broker(record_.order.release);
    return false;
  }
  return broker.ready ? go(Phase::done) : false;
}

}  // namespace tocsin::ops
