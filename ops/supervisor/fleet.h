#pragma once
// Fleet: which processes a local cluster is to have and from which releases, as the last move left it. Part
// of supervisor.json: the next supervisor keeps it, unless the settings were changed meanwhile. Values.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ops/supervisor/config.h"
#include "ops/supervisor/release.h"

namespace tocsin::ops {

struct Fleet {
  /// The settings that this goes back to; a setting that differs from them is newer, and wins.
  struct Asked {
    std::int64_t edges = -1;  ///< -1: nothing is remembered yet
    std::string programs;
    std::string config_file;
    std::string config_hash;
    bool operator==(const Asked&) const = default;
  };
  Asked asked;
  Release release;  ///< of edges that are started from now on
  Release broker;
  std::map<std::string, Release> edges;
  std::set<std::string> cordoned;
  bool maintenance = false;

  /// edge-0, edge-1, ..., the surge edge last.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] std::string to_json() const;
  /// Fails with invalid_argument.
  [[nodiscard]] static Result<Fleet> parse(const json::Value& value);
};

/// Brings `fleet` in line with the settings. `own_programs` is what an empty supervisor.programs means.
void settle(Fleet& fleet, const Config& config, const std::string& config_file,
            const std::string& own_programs);

/// 3 of "edge-3"; -1 for every other name.
[[nodiscard]] std::int64_t ordinal_of(const std::string& edge);

}  // namespace tocsin::ops
