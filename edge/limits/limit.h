#pragma once
// Limit: everything that a client may have too much of, by name. The names are the label of
// tocsin_edge_limited_total and the words of audit lines. Values; any thread.
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tocsin::edge {

enum class Limit : std::uint8_t {
  connections,  ///< of this edge: limits.clients_max, limits.handshakes_per_s, or sent elsewhere
  ip_connections,
  subject_connections,
  cluster_connections,
  cluster_ip_connections,
  cluster_subject_connections,
  attempts,
  banned,
  messages,
  publishes,
  bytes,
  subscriptions,
};

inline constexpr auto kLimitNames = std::to_array<std::string_view>(
    {"connections", "ip_connections", "subject_connections", "cluster_connections", "cluster_ip_connections",
     "cluster_subject_connections", "attempts", "banned", "messages", "publishes", "bytes", "subscriptions"});

[[nodiscard]] constexpr std::string_view name_of(Limit limit) noexcept {
  return kLimitNames[static_cast<std::size_t>(limit)];
}

/// A limit that was reached: which, when to come back, and a sentence for the client.
struct Over {
  Limit limit{};
  std::uint16_t retry_after_s = 1;
  std::string text;
};

}  // namespace tocsin::edge
