#pragma once
// fold(): one change into an incident's current state. The partial incident of the draft is a JSON Merge
// Patch (RFC 7396) on the whole one; what comes out is whole, in a fixed member order, and says what changed.
//
// Pure functions; any thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "proto/update.h"

namespace tocsin::broker {

struct Folded {
  std::string json;  ///< the whole incident after the change
  std::vector<std::string>
      changed;  ///< members whose value changed; `version` and `updated_at` always do and are left out
  std::uint64_t version = 0;  ///< 1 for a new incident, then one more with each change
  bool ends = false;          ///< it was active (or new) and is now resolved or closed
};

/// `current` is the incident's JSON, empty when there is none yet; `at` the change's RFC 3339 time.
///
/// A new incident starts as severity P3, status detected. The kinds acknowledged, escalated, resolved, closed
/// and reopened imply their status when the draft names none. acknowledged_at, resolved_at and closed_at are
/// set when their status is entered and taken away when an ended incident becomes active again. Unknown
/// members are kept.
///
/// Fails with conflict (if_version is not the current version; 0 means "must not exist"), invalid_argument
/// naming the member, or corrupt when `current` does not parse. Nothing is changed by a failure.
[[nodiscard]] Result<Folded> fold(std::string_view current, const Draft& draft, std::string_view at);

}  // namespace tocsin::broker
