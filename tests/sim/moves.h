#pragma once
// Moves: the hand that orders drains and migrations in a simulated cluster, as a supervisor, an operator and
// SIGTERM do, and that dies or changes its mind at any moment; what must be true of them when all is over.
//
// Invariant: after heal() it orders nothing new, so that every move must end by itself. Thread: one.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/processes.h"
#include "tests/sim/recorder.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

/// Something that is done to an edge; times are from its beginning, negative: never.
struct PlannedMove {
  enum class How : std::uint8_t { drain, migrate, terminate };
  How how = How::drain;
  std::size_t edge = 0;
  std::size_t target = 0;  ///< dies when it is to
  std::int64_t at = 0;     ///< from the beginning of the run
  std::size_t count = 0;   ///< of a migration
  std::int64_t deadline_ms = 0;
  std::int64_t abort_after = -1;
  std::int64_t asker_dies_after = -1;  ///< until then the order is said again and again
  std::int64_t source_dies_after = -1;
  std::int64_t target_dies_after = -1;
};

class Moves {
 public:
  using Edges = std::vector<std::unique_ptr<EdgeProcess>>;
  Moves(World& world, Recorder& recorder, Edges& edges) : world_(world), recorder_(recorder), edges_(edges) {}

  void schedule(const std::vector<PlannedMove>& moves);
  void heal() { healed_ = true; }
  /// After heal(), each second: true when no move runs. Edges that were drained take clients again.
  bool over();
  /// What a move in a cluster without other trouble, of clients that understand it, must have come to.
  [[nodiscard]] std::string complaint() const;

 private:
  void begin(const PlannedMove& move, const std::string& id);
  void say(const PlannedMove& move, const std::string& id, std::int64_t until);
  void kill(std::size_t edge, const char* what);
  /// What is known of the move with this id; a process that ends takes its report with it.
  void note(std::size_t edge);

  World& world_;
  Recorder& recorder_;
  Edges& edges_;
  bool healed_ = false;
  bool aborted_ = false;
  struct Told {
    std::string id;
    std::string text;
    bool whole = false;  ///< it is over, and everyone was seen elsewhere
  };
  std::vector<Told> told_;
};

}  // namespace tocsin::sim
