#pragma once
// The commands that move clients between edges and change the local cluster. As in commands.h.
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "ops/ctl/commands.h"

namespace tocsin::ops {

/// One struct for all: each command has its part of it.
struct MoveOptions : Common {
  std::string edge;  ///< or the plan, for report and abort
  std::vector<std::string> to;
  std::vector<std::string> exclude;
  std::uint64_t batch = 0;
  std::uint64_t rate = 0;
  std::uint64_t count = 0;
  std::string deadline;  ///< 90s, 5m
  bool wait = false;
  bool self = false;
  std::string edge_http;   ///< --self: the edge's own address
  std::string token_file;  ///< --self
  std::uint64_t edges = 0;
  bool rolling = false;
  std::string programs;
  std::string config;
  std::string on_off;
};

[[nodiscard]] int run_drain(const MoveOptions& options);
[[nodiscard]] int run_drain_self(const MoveOptions& options);
[[nodiscard]] int run_migrate_self(const MoveOptions& options);
[[nodiscard]] int run_cordon_self(const MoveOptions& options, bool on);
[[nodiscard]] int run_drain_plan(const MoveOptions& options);
[[nodiscard]] int run_drain_report(const MoveOptions& options);
[[nodiscard]] int run_drain_abort(const MoveOptions& options);
[[nodiscard]] int run_migrate(const MoveOptions& options);
[[nodiscard]] int run_rebalance(const MoveOptions& options);
[[nodiscard]] int run_scale(const MoveOptions& options);
[[nodiscard]] int run_restart(const MoveOptions& options);
[[nodiscard]] int run_cordon(const MoveOptions& options);
[[nodiscard]] int run_uncordon(const MoveOptions& options);
[[nodiscard]] int run_maintenance(const MoveOptions& options);

/// The members of an order that say how: targets, exclude, batch, rate, deadline_ms. Without braces; empty or
/// with a comma at the end. Fails with invalid_argument for a deadline that is no time.
[[nodiscard]] Result<std::string> pace_json(const MoveOptions& options);

}  // namespace tocsin::ops
