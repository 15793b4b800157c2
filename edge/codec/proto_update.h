#pragma once
// Updates and incidents, which travel as JSON inside the cluster, as Protocol Buffers (proto/client.proto).
// Lossless: what fits no field stands in other_json. Made once per update and shared by all audiences of the
// proto door. Pure functions, any thread.
#include <string>
#include <string_view>

namespace tocsin::edge {

/// The fields of an Update but `sub`, `offset`, `replaces`, `conflated`, from update_members_json().
[[nodiscard]] std::string proto_update_body(std::string_view members_json);
/// An Incident from its JSON; empty when that is no object.
[[nodiscard]] std::string proto_incident(std::string_view json);

}  // namespace tocsin::edge
