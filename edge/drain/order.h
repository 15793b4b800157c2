#pragma once
// MoveOrder: what a drain or a migration is asked to do, whoever asks: HTTP, the supervisor, SIGTERM. Values;
// any thread.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"

namespace tocsin::edge {

/// drain: cordon, then all clients; migrate: some clients, and the edge stays as it is.
enum class MoveKind : std::uint8_t { drain, migrate };

struct MoveOrder {
  MoveKind kind = MoveKind::drain;
  std::string id;                    ///< the asker's name for it; may be empty
  Millis deadline{0};                ///< 0: drain.deadline_ms
  std::uint32_t rate = 0;            ///< clients a second at most; 0: what the targets take
  std::uint32_t batch = 0;           ///< clients offered together; 0: spread evenly
  std::size_t count = 0;             ///< of a migration
  std::vector<std::string> targets;  ///< only these edges, of whatever revision; empty: all that are fit
  std::vector<std::string> exclude;
};

}  // namespace tocsin::edge
