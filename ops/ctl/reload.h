#pragma once
// `tocsinctl reload`: the cluster's processes read their settings, keys and certificates again.
#include <CLI/CLI.hpp>

#include "ops/ctl/commands.h"

namespace tocsin::ops {

struct ReloadOptions : Common {
  std::string process;  ///< supervisor, broker or an edge; empty: all
};
/// kExitPartly when some refused, kExitFailure when all did.
[[nodiscard]] int run_reload(const ReloadOptions& options);

struct ReloadLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  ReloadOptions options;
};

/// `line` must outlive `app`'s parsing.
void add_reload(CLI::App& app, ReloadLine& line);

}  // namespace tocsin::ops
