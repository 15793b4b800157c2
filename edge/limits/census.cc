#include "edge/limits/census.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tocsin::edge {

const std::string& Census::everybody() {
  static const std::string kKey = "a";
  return kKey;
}

void Census::note(const std::string& key, Entry& entry) {
  if (!std::exchange(entry.changed, true)) changed_.push_back(key);
}

void Census::change(const std::string& key, int by) {
  if (!on()) return;
  Entry& entry = entries_[key];
  if (by < 0 && entry.here == 0) return;
  entry.here += static_cast<std::uint32_t>(by);
  note(key, entry);
}

void Census::reset() {
  entries_.clear();
  changed_.clear();
}

std::uint64_t Census::count(const std::string& key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? 0 : std::uint64_t{it->second.here} + it->second.elsewhere;
}

std::uint64_t Census::elsewhere(const std::string& key) const {
  const auto it = entries_.find(key);
  return it == entries_.end() ? 0 : it->second.elsewhere;
}

void Census::told(const link::CountsTold& message) {
  if (message.first)
    for (auto it = entries_.begin(); it != entries_.end();) {
      it->second.elsewhere = 0;
      it = it->second.here == 0 && !it->second.changed ? entries_.erase(it) : std::next(it);
    }
  for (const auto& [key, n] : message.counts) {
    if (n > 0) {
      entries_[key].elsewhere = n;
      continue;
    }
    const auto it = entries_.find(key);
    if (it == entries_.end()) continue;
    it->second.elsewhere = 0;
    if (it->second.here == 0 && !it->second.changed) entries_.erase(it);
  }
}

link::CountsReport Census::report(bool whole) {
  link::CountsReport out;
  out.first = whole;
  const auto limit = [](std::int64_t n) {
    return static_cast<std::uint32_t>(std::min<std::int64_t>(n, std::numeric_limits<std::uint32_t>::max()));
  };
  out.limit_ip = limit(config_.cluster_connections_per_ip);
  out.limit_subject = limit(config_.cluster_connections_per_subject);
  out.limit_all = limit(config_.cluster_connections);
  for (const auto& key : std::exchange(changed_, {})) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) continue;
    it->second.changed = false;
    if (!whole) out.counts.push_back({key, it->second.here});
    if (it->second.here == 0 && it->second.elsewhere == 0) entries_.erase(it);
  }
  if (whole)
    for (const auto& [key, entry] : entries_)
      if (entry.here > 0) out.counts.push_back({key, entry.here});
  return out;
}

void Census::unsaid(const link::CountsReport& report) {
  for (const auto& count : report.counts) note(count.key, entries_[count.key]);
}

}  // namespace tocsin::edge
