#include "broker/fanout/traffic_totals.h"

namespace tocsin::broker {
namespace {

/// What belongs to a day or a minute counts for the newest one only.
void add_in(std::uint64_t& period, std::uint64_t& count, std::uint64_t other_period, std::uint64_t other) {
  if (other_period > period) period = other_period, count = 0;
  if (other_period == period) count += other;
}

void add(link::Traffic& to, const link::Traffic& t) {
  to.opened += t.opened;
  to.sent += t.sent;
  to.received += t.received;
  add_in(to.day, to.opened_today, t.day, t.opened_today);
  add_in(to.minute, to.sent_in_minute, t.minute, t.sent_in_minute);
  to.lasted_ms += t.lasted_ms;
  to.lasted_count += t.lasted_count;
}

}  // namespace

void TrafficTotals::told(std::string_view edge, std::uint64_t instance, const link::Traffic& traffic) {
  auto at = edges_.find(edge);
  if (at == edges_.end()) {
    if (edges_.size() >= kMaxEdges) {  // names that never come back are no reason to grow for ever
      retire(edges_.begin()->second);
      edges_.erase(edges_.begin());
    }
    at = edges_.emplace(edge, Known{instance, {}}).first;
  }
  if (at->second.instance != instance) retire(at->second);
  at->second = {instance, traffic};
}

void TrafficTotals::retire(const Known& known) {
  link::Traffic former = known.traffic;
  former.lasted_ms = former.lasted_count = 0;  // those are of lately
  add(gone_, former);
}

link::Traffic TrafficTotals::sum() const {
  link::Traffic out = gone_;
  for (const auto& [edge, known] : edges_) add(out, known.traffic);
  return out;
}

}  // namespace tocsin::broker
