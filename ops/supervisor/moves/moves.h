#pragma once
// Moves: all moves of a cluster, those that run and the last that ended. Decides which may run beside each
// other: one an edge, and one that has to do with the whole cluster alone.
//
// Invariant: what start() returned is on disk, or does nothing until it is. Thread: the supervisor's loop.
#include <memory>
#include <string>
#include <vector>

#include "ops/supervisor/moves/move.h"

namespace tocsin::ops {

class Moves {
 public:
  static constexpr std::size_t kKept = 50;  ///< that have ended

  explicit Moves(MovePort& port) : port_(port) {}

  /// Those that an earlier supervisor left, in order of their ids.
  void load(std::vector<Record> records);
  /// Goes on with all. The ids of moves that are forgotten now are returned: their files may go.
  std::vector<std::string> tick(Instant now);

  /// The move that carries `order` out: a new one, or the one that does so already. Fails with not_found
  /// (unknown edge), invalid_argument, unavailable (no target) or conflict (another move is under way).
  [[nodiscard]] Result<Move*> start(Order order);
  [[nodiscard]] Move* find(const std::string& id) const;
  /// The last that had to do with this edge by its order.
  [[nodiscard]] Move* last_of(const std::string& edge) const;
  [[nodiscard]] const std::vector<std::unique_ptr<Move>>& all() const noexcept { return moves_; }
  [[nodiscard]] bool any_running() const;

 private:
  [[nodiscard]] Status check(Order& order) const;
  [[nodiscard]] Status check_edge(const Order& order) const;
  [[nodiscard]] Status check_targets(const Order& order) const;
  [[nodiscard]] std::string fresh_id(const Order& order) const;

  MovePort& port_;
  std::vector<std::unique_ptr<Move>> moves_;
};

/// Not_found with what was meant, perhaps.
[[nodiscard]] Error unknown_edge(const std::string& edge, const std::vector<EdgeView>& edges);

}  // namespace tocsin::ops
