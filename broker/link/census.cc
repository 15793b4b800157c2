#include "broker/link/census.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tocsin::broker {

std::uint32_t Census::limit_of(const Edge& edge, std::string_view key) noexcept {
  switch (key.empty() ? '\0' : key.front()) {
    case 'i':
      return edge.limit_ip;
    case 's':
      return edge.limit_subject;
    case 'a':
      return edge.limit_all;
    default:
      return 0;
  }
}

void Census::set(Edge& edge, const std::string& key, std::uint32_t n) {
  const auto it = edge.counts.find(key);
  const std::uint32_t before = it == edge.counts.end() ? 0 : it->second;
  if (before == n) return;
  if (n == 0) {
    edge.counts.erase(it);
  } else if (it != edge.counts.end()) {
    it->second = n;
  } else {
    if (edge.counts.size() >= kMaxKeys) return metrics_.bad_messages.add();
    edge.counts.emplace(key, n);
  }
  if (!edge.counted) return;
  auto& total = totals_[key];
  total = total - before + n;
  if (total == 0) totals_.erase(key);
  changed_.insert(key);
}

void Census::leave_out(Edge& edge) {
  if (!std::exchange(edge.counted, false)) return;
  for (const auto& [key, n] : edge.counts) {
    const auto total = totals_.find(key);
    if ((total->second -= n) == 0) totals_.erase(total);
    changed_.insert(key);
  }
}

void Census::take_in(Edge& edge) {
  if (std::exchange(edge.counted, true)) return;
  for (const auto& [key, n] : edge.counts) {
    totals_[key] += n;
    changed_.insert(key);
  }
}

void Census::report(const Peer& from, const link::CountsReport& message) {
  if (!from.is_edge()) return metrics_.bad_messages.add();
  if (message.first) forget(from.name);
  Edge& edge = edges_[from.name];
  const auto limits = [](const auto& of) { return std::tuple(of.limit_ip, of.limit_subject, of.limit_all); };
  if (limits(edge) != limits(message)) {
    edge.new_here = true;
    edge.limit_ip = message.limit_ip;
    edge.limit_subject = message.limit_subject;
    edge.limit_all = message.limit_all;
  }
  for (const auto& [key, n] : message.counts) set(edge, key, n);
}

void Census::forget(std::string_view peer) {
  const auto it = edges_.find(peer);
  if (it == edges_.end()) return;
  leave_out(it->second);
  edges_.erase(it);
}

void Census::tick() {
  for (auto& [name, edge] : edges_) {
    const Peer* peer = peers_.find(name);
    if (peer == nullptr || peers_.silent(*peer))
      leave_out(edge);
    else
      take_in(edge);
  }
  for (auto& [name, edge] : edges_)
    if (edge.new_here || !changed_.empty()) tell(name, edge);
  changed_.clear();
}

void Census::tell(const std::string& peer, Edge& edge) {
  link::CountsTold message;
  message.first = edge.new_here;
  const auto look = [&](const std::string& key) {
    const auto total = totals_.find(key);
    const std::uint64_t all = total == totals_.end() ? 0 : total->second;
    const auto own = edge.counts.find(key);
    const std::uint64_t here = edge.counted && own != edge.counts.end() ? own->second : 0;
    const std::uint32_t limit = limit_of(edge, key);
    const bool worth = limit > 0 && all > here && all * 2 >= limit;
    if (!worth && edge.told.erase(key) == 0) return;
    if (worth) edge.told.insert(key);
    const std::uint64_t others = worth ? all - here : 0;
    message.counts.push_back({key, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                                       others, std::numeric_limits<std::uint32_t>::max()))});
  };
  if (edge.new_here) {
    edge.told.clear();
    for (const auto& [key, total] : totals_) look(key);
  } else {
    for (const auto& key : changed_) look(key);
  }
  if (!message.first && message.counts.empty()) return;
  edge.new_here = !peers_.send(peer, message);  // else everything, at the next tick
}

}  // namespace tocsin::broker
