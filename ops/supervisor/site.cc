#include "ops/supervisor/site.h"

#include "common/json/json.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {

std::string reason_of(const EdgeWatch::Seen& seen) {
  const auto document = json::parse(seen.detail);
  if (!document || !document->IsObject()) return seen.detail;
  const auto reason = json::string_member(*document, "reason");
  return reason && *reason ? std::string(**reason) : seen.detail;
}

void add_seen(Members& members, const EdgeWatch& watch, const EdgeWatch::Seen& seen) {
  members.flag("ready", seen.ready).text("detail", seen.detail);
  if (!watch.heard(seen)) return;
  members.text("edge_state", seen.state).text("revision", seen.revision);
  members.number("clients", static_cast<std::int64_t>(seen.clients));
  members.number("load", static_cast<std::int64_t>(seen.load));
  members.number("take_per_s", static_cast<std::int64_t>(seen.take_per_s));
}

std::string running_plans(const Moves& moves, std::int64_t now_ms) {
  std::string out = "[";
  for (const auto& move : moves.all()) {
    if (move->ended()) continue;
    if (out.back() != '[') out += ',';
    out += move->record().report_json(move->waits(), now_ms);
  }
  return out + "]";
}

void count_edges(const std::vector<EdgeView>& edges, const Moves& moves, bool maintenance, Metrics& metrics) {
  std::int64_t ready = 0, running = 0;
  for (const EdgeView& edge : edges) ready += edge.takes_clients() ? 1 : 0;
  for (const auto& move : moves.all()) running += move->ended() ? 0 : 1;
  metrics.processes.set(static_cast<std::int64_t>(edges.size()));
  metrics.processes_ready.set(ready);
  metrics.edges_ready.set(ready);
  metrics.moves_running.set(running);
  metrics.maintenance.set(maintenance ? 1 : 0);
}

}  // namespace tocsin::ops
