#pragma once
// The command line of the commands of moves.h.
#include <CLI/CLI.hpp>

#include "ops/ctl/moves.h"

namespace tocsin::ops {

struct MoveLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  MoveOptions options;
};

/// `line` must outlive `app`'s parsing.
void add_moves(CLI::App& app, MoveLine& line);

}  // namespace tocsin::ops
