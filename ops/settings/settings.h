#pragma once
// The rows of every program in one place: so that each program accepts the others' keys in a shared file and
// still names a typo (config::known_keys, defined here), for check-config, and for ops/reference/config.md.
// Knows constants only, no program's code. Any thread.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/loader.h"

namespace tocsin::settings {

struct ProgramSettings {
  std::string_view program;  ///< "tocsin-edge"
  std::vector<config::RowText> rows;
  /// What the program would say of these sources at its start.
  Status (*check)(const config::Sources& sources);
};

[[nodiscard]] const std::vector<ProgramSettings>& programs();

/// Every complaint of every program about a file and the environment, each said once; empty: all would start.
[[nodiscard]] std::vector<std::string> check(
    const std::string& file, const std::vector<std::pair<std::string, std::string>>& environment);

/// ops/reference/config.md.
[[nodiscard]] std::string reference();

}  // namespace tocsin::settings
