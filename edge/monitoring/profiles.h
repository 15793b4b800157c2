#pragma once
// Profiles: the edge's counts under the names, types and labels that other systems' dashboards and alert
// rules ask for. Each is a view of edge/metrics.h, made at the scrape; nothing is counted twice.
//
//   tocsin           our own names (ops/reference/metrics.md)
//   lim              lim_websocket_*
//   mahavishnu       websocket_* with server, tls_mode, direction ...
//   realtime         active_connections and five more, without labels; realtime-json: for `jq`
//   vedfolnir        websocket_* without a server; vedfolnir-json: the same as one object
//
// lim, mahavishnu and realtime share no name and may be asked for together; vedfolnir uses names of
// mahavishnu's with other labels. Thread: the loop.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "edge/metrics.h"
#include "edge/monitoring/channel_labels.h"

namespace tocsin::edge {

/// What a profile tells beside the counts.
struct ProfileFacts {
  std::string server = "mahavishnu";  ///< metrics.server_label
  bool tls = false;
  std::int64_t wall_ms = 0;
  double uptime_s = 0;
  double cpu_percent = 0;  ///< of one processor, lately
  double memory_bytes = 0;
  metrics::HistogramState latency;               ///< commit to arrival, of lately
  std::vector<ChannelLabels::Count> channels{};  ///< updates by channel; empty: all together
};

struct Exposition {
  std::string content_type;
  std::string text;
};

/// `names`: profiles, separated by commas. Fails with invalid_argument for a name that is none, and for
/// profiles that contradict each other.
[[nodiscard]] Result<Exposition> expose(std::string_view names, const Metrics& metrics,
                                        const ProfileFacts& facts);
/// What expose() would say of the names.
[[nodiscard]] Status check_profiles(std::string_view names);

}  // namespace tocsin::edge
