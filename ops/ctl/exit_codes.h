#pragma once
// How tocsinctl ends, beyond common/exit_code.h. --help lists them.
#include "common/exit_code.h"

namespace tocsin::ops {

inline constexpr int kExitNotFound = 4;     ///< there is no such incident or channel
inline constexpr int kExitUnavailable = 5;  ///< no process of the cluster answers
inline constexpr int kExitPartly = 6;       ///< some rows or updates were refused; the others are kept
inline constexpr int kExitNotReady = 7;     ///< status: the cluster is up, but not every process is ready

inline constexpr const char* kExitHelp =
    "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 cannot start (port in use, folder unusable);\n"
    "4 no such incident or channel; 5 no process of the cluster answers; 6 partly done: some updates were refused;\n"
    "7 not every process is ready (status).";

}  // namespace tocsin::ops
