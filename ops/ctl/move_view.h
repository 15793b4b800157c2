#pragma once
// What people are shown of a move: a line while it goes on, a few lines at its end. The report is JSON as the
// supervisor or an edge gave it.
#include <string>

#include "common/clock.h"
#include "common/json/json.h"

namespace tocsin::ops {

/// "drain of edge-1  [#####.....] 312 of 1000, 180/s" of a report.
[[nodiscard]] std::string move_line(const json::Value& report);
/// The whole report for people, lines without an end of line at the last.
[[nodiscard]] std::string move_text(const json::Value& report);
/// "drain of edge-1", "rebalance".
[[nodiscard]] std::string move_name(const json::Value& report);
/// done | deadline | aborted | failed | running ...
[[nodiscard]] std::string move_state(const json::Value& report);
[[nodiscard]] bool move_ended(const json::Value& report);
/// What the command that waited for it ends with.
[[nodiscard]] int move_exit_code(const json::Value& report);

/// One line on a terminal, drawn again in place; silent elsewhere and with JSON.
class MoveProgress {
 public:
  explicit MoveProgress(bool json);
  void show(const json::Value& report);
  void clear();

 private:
  bool terminal_;
  bool drawn_ = false;
};

}  // namespace tocsin::ops
