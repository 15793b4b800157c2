#pragma once
// Plan: what a seed decides before the run begins. Values; any thread.
#include <string>
#include <vector>

#include "broker/config.h"
#include "edge/config.h"
#include "tests/sim/client.h"
#include "tests/sim/moves.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

struct Plan {
  broker::Config broker;
  std::vector<edge::Config> edges;
  std::vector<ClientPlan> clients;
  std::size_t publishers = 2;
  std::size_t updates = 100;
  std::int64_t chaos_ms = 8'000;  ///< things are published and go wrong for so long
  std::size_t troubles = 6;
  std::size_t padding = 0;  ///< bytes more in each incident
  bool unruly = false;
  bool history_kept = true;
  std::vector<PlannedMove> moves;
  std::vector<std::int64_t> revocations;  ///< when: of somebody's tokens
  bool tokens = false;                    ///< edges ask for them, and show by label.tenant
  bool calm = false;                      ///< nothing but one move goes wrong, and every client follows it
};

inline constexpr const char* kMemoryChannel = "mem/live";

[[nodiscard]] Plan plan_of(Chance& chance);
/// One update's JSON; `number` makes its event_id.
[[nodiscard]] std::string made_update(Chance& chance, const Plan& plan, const std::string& publisher,
                                      std::uint64_t number);

}  // namespace tocsin::sim
