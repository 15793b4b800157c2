#pragma once
// Plan: what a local cluster consists of, worked out before anything is started: ports, keys, command lines.
// The only place that knows the other programs' flags. Start-up and moves; blocking for moments.
#include <cstdint>
#include <string>
#include <vector>

#include "common/random.h"
#include "common/result.h"
#include "ops/cluster/folder.h"
#include "ops/supervisor/config.h"
#include "ops/supervisor/state_file.h"
#include "ops/supervisor/supervised.h"

namespace tocsin::ops {

struct Plan {
  SupervisedProcess::Spec broker;
  std::vector<SupervisedProcess::Spec> edges;
  std::string broker_public_key;
  std::string client_key_file;
  std::uint16_t admin_port = 0;
};

/// For the fleet of `saved`, which is first brought in line with the settings. `saved` gets the chosen ports;
/// ports kept there are used again. A port that a process of `saved` still holds counts as free for that
/// process. Makes key pairs and the admin token where they are missing. `config_file` is the one that the
/// settings name. Fails with unavailable when a port that was asked for is in use (the detail says which, and
/// what to do), or io.
[[nodiscard]] Result<Plan> make_plan(const Config& config, const std::string& config_file,
                                     const Folder& folder, SavedState& saved, Random& random);

/// One process, with its port and its keys. Fail as make_plan() does.
[[nodiscard]] Result<SupervisedProcess::Spec> plan_broker(const Folder& folder, SavedState& saved,
                                                          const Release& release, Random& random);
[[nodiscard]] Result<SupervisedProcess::Spec> plan_edge(const Config& config, const Folder& folder,
                                                        SavedState& saved, const std::string& name,
                                                        const Release& release, Random& random);

/// The folder that this program was started from.
[[nodiscard]] std::string own_programs();

}  // namespace tocsin::ops
