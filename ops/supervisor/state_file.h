#pragma once
// supervisor.json: what a supervisor must know of the one before it; which processes run (to adopt them),
// which ports were chosen (to use them again), and which processes there are to be. Values; the supervisor's
// loop.
#include <map>
#include <string>
#include <string_view>

#include "common/result.h"
#include "ops/supervisor/fleet.h"
#include "ops/supervisor/process_id.h"

namespace tocsin::ops {

struct SavedProcess {
  ProcessId id;
  std::string
      fingerprint;  ///< of its command line and configuration: a process started otherwise is not adopted
  bool ready = false;
};

struct SavedState {
  std::map<std::string, std::uint16_t> ports;     ///< by what they are for: "broker", "edge-0", "supervisor"
  std::map<std::string, SavedProcess> processes;  ///< by name
  Fleet fleet;

  [[nodiscard]] std::string to_json() const;
  /// Fails with invalid_argument.
  [[nodiscard]] static Result<SavedState> parse(std::string_view json);
};

/// Nothing saved when there is no such file. Fails with corrupt when the file says nothing sensible, or io.
[[nodiscard]] Result<SavedState> load_state(const std::string& path);

}  // namespace tocsin::ops
