#pragma once
// The JSON forms of two profiles (profiles.h): what scripts of operators read with jq. Pure functions.
#include <string>

#include "edge/metrics.h"

namespace tocsin::edge {

struct ProfileFacts;

/// {"active_connections","total_connections","messages_sent","messages_received","errors"}
[[nodiscard]] std::string realtime_json(const Metrics& metrics);
/// {"timestamp","uptime_seconds","connections":{..},"messages":{..},"performance":{..},"security":{..}}
[[nodiscard]] std::string vedfolnir_json(const Metrics& metrics, const ProfileFacts& facts);

}  // namespace tocsin::edge
