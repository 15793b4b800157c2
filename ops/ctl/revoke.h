#pragma once
// tocsinctl revoke: takes tokens back before they expire, on every edge of the cluster. As in commands.h.
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "ops/ctl/commands.h"

namespace tocsin::ops {

struct RevokeOptions : Common {
  std::vector<std::string> token_ids;
  std::vector<std::string> subjects;
  std::string token;      ///< file with a token: its id and its end are taken from it
  std::string lasts;      ///< 12h, 30d; empty: the token's end, or the edge's default
  std::string edge_http;  ///< an edge's address, without cluster.json
  std::string admin_token_file;
  bool list = false;
};
[[nodiscard]] int run_revoke(const RevokeOptions& options);

struct RevokeLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  RevokeOptions options;
};
/// `line` must outlive `app`'s parsing.
void add_revoke(CLI::App& app, RevokeLine& line);

}  // namespace tocsin::ops
