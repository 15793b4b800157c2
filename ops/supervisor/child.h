#pragma once
// Starting a program: its own process group (a terminal's Ctrl-C reaches the supervisor only, which stops
// things in order), output appended to a log, no inherited descriptors, default signals. Supervisor's loop.
#include <sys/types.h>

#include <string>
#include <vector>

#include "common/result.h"

namespace tocsin::ops {

struct Program {
  std::vector<std::string> argv;  ///< [0] is the file to run
  std::string log_file;           ///< gets stdout and stderr
};

/// Fails with io when the process or its log cannot be made; a file that cannot be run ends the new process
/// with 127 and says so in the log.
[[nodiscard]] Result<pid_t> spawn(const Program& program);

}  // namespace tocsin::ops
