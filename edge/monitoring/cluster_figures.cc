#include "edge/monitoring/cluster_figures.h"

#include <array>
#include <cstdio>
#include <numeric>

#include "common/rfc3339.h"

namespace tocsin::edge {
namespace {

std::uint64_t clients(const std::vector<link::EdgeInfo>& edges) {
  return std::accumulate(edges.begin(), edges.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& edge) { return sum + edge.clients; });
}

/// In seconds, rounded to two places.
std::string mean_seconds(const link::Traffic& t) {
  if (t.lasted_count == 0) return "0.0";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.2f",
                static_cast<double>(t.lasted_ms) / static_cast<double>(t.lasted_count) / 1e3);
  return text.data();
}

}  // namespace

std::string cluster_figures(const std::vector<link::EdgeInfo>& edges, const link::Traffic& t,
                            std::int64_t wall_ms, std::uint64_t day) {
  constexpr std::int64_t kMinute = 60'000;
  const bool same_minute = t.minute == static_cast<std::uint64_t>(wall_ms / kMinute);
  std::string out = "{\"active_connections\":" + std::to_string(clients(edges));
  out.append(",\"connections_today\":").append(std::to_string(t.day == day ? t.opened_today : 0));
  out.append(",\"messages_sent\":").append(std::to_string(t.sent));
  out.append(",\"messages_received\":").append(std::to_string(t.received));
  out.append(",\"avg_connection_duration\":").append(mean_seconds(t));
  out.append(",\"messages_per_minute\":").append(std::to_string(same_minute ? t.sent_in_minute : 0));
  return out.append(",\"timestamp\":\"").append(rfc3339(wall_ms)).append("\"}");
}

std::string active_connections(const std::vector<link::EdgeInfo>& edges) {
  return "{\"active_connections\":" + std::to_string(clients(edges)) + "}";
}

}  // namespace tocsin::edge
