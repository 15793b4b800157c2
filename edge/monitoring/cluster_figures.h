#pragma once
// What /api/monitoring/websocket/ answers: figures of the whole cluster, as the broker adds them up. Pure
// functions.
#include <cstdint>
#include <string>
#include <vector>

#include "proto/link_message.h"

namespace tocsin::edge {

/// {"active_connections":5,"connections_today":150,"messages_sent":1250,"messages_received":980,
///  "avg_connection_duration":45.32,"messages_per_minute":12,"timestamp":"..."}
[[nodiscard]] std::string cluster_figures(const std::vector<link::EdgeInfo>& edges,
                                          const link::Traffic& traffic, std::int64_t wall_ms,
                                          std::uint64_t day);
/// {"active_connections":5}
[[nodiscard]] std::string active_connections(const std::vector<link::EdgeInfo>& edges);

}  // namespace tocsin::edge
