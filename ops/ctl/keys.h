#pragma once
// `tocsinctl keys`: the CURVE keys that the cluster's processes know each other by: make, list, rotate,
// retire, remove. Works on the cluster's folder, so it is for who may read that; --dir works on a folder
// without a running cluster.
//
// A rotation loses no client: the new key is good before the old one ends. Interrupted, it is begun again:
// whatever is half done leaves both keys good.
#include <CLI/CLI.hpp>

#include "ops/ctl/commands.h"

namespace tocsin::ops {

struct KeysOptions : Common {
  std::string name;  ///< broker, an edge, client, or whoever else publishes
  std::string dir;   ///< a cluster's folder; empty: that of the running cluster
  bool all = false;
};
[[nodiscard]] int run_keys_make(const KeysOptions& options);
[[nodiscard]] int run_keys_list(const KeysOptions& options);
[[nodiscard]] int run_keys_rotate(const KeysOptions& options);
[[nodiscard]] int run_keys_retire(const KeysOptions& options);
[[nodiscard]] int run_keys_remove(const KeysOptions& options);

struct KeysLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  KeysOptions options;
};

/// `line` must outlive `app`'s parsing.
void add_keys(CLI::App& app, KeysLine& line);

}  // namespace tocsin::ops
