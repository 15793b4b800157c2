#pragma once
// Record: all that a supervisor must know of a move to go on with it, and what people are shown: the content
// of plans/ID.json. Values; the supervisor's loop.
#include <cstdint>
#include <string>
#include <vector>

#include "common/result.h"
#include "ops/supervisor/moves/edge_report.h"
#include "ops/supervisor/moves/order.h"
#include "ops/supervisor/moves/phase.h"
#include "ops/supervisor/process_id.h"

namespace tocsin::ops {

/// One order to one edge.
struct Task {
  std::uint64_t number = 0;  ///< makes its id, under which the edge knows it
  std::string edge;
  std::uint64_t count = 0;  ///< 0: a drain
  Pace pace;
  bool ended = false;
  std::string error;  ///< the edge refused for good
  EdgeReport report;  ///< the last one heard

  [[nodiscard]] bool drains() const noexcept { return count == 0; }
};

struct Record {
  std::string id;
  Order order;
  Phase phase = Phase::planned;
  Phase outcome = Phase::done;  ///< what it will end with, once what is under way is finished or undone
  std::string reason;           ///< why it failed or was aborted
  std::vector<Task> tasks;
  std::vector<std::string> edges;    ///< that are being started or stopped
  std::vector<std::string> held;     ///< cordoned before this move, so also after it
  std::vector<std::string> waiting;  ///< restart: whose turn comes yet
  std::string edge;                  ///< restart: whose turn it is
  Release before;                    ///< of that edge, later of the broker
  ProcessId broker_before;
  bool clearing = false;     ///< restart: the surge edge is emptied after an abort
  std::uint64_t spread = 0;  ///< rebalance: clients too many on some edges, when last looked
  std::uint64_t rounds = 0;  ///< rebalance: without improvement
  std::int64_t started_ms = 0;
  std::int64_t ended_ms = 0;

  [[nodiscard]] std::string task_id(const Task& task) const { return id + "." + std::to_string(task.number); }
  /// For the disk.
  [[nodiscard]] std::string to_json() const;
  /// Fails with invalid_argument that names what is wrong.
  [[nodiscard]] static Result<Record> parse(std::string_view text);

  /// running | paused | aborting | done | deadline | aborted | failed; `waits`: why nothing goes on now.
  [[nodiscard]] std::string state(std::string_view waits) const;
  /// The report of the whole move: members as in an edge's, summed, and those of the move.
  [[nodiscard]] std::string report_json(std::string_view waits, std::int64_t now_ms) const;
};

}  // namespace tocsin::ops
