#pragma once
// How tocsinctl ends, beyond common/exit_code.h. --help lists them.
#include "common/exit_code.h"

namespace tocsin::ops {

inline constexpr int kExitNotFound = 4;     ///< there is no such incident, channel, edge or plan
inline constexpr int kExitUnavailable = 5;  ///< no process of the cluster answers, or no edge takes clients
inline constexpr int kExitPartly = 6;       ///< some rows or updates were refused; the others are kept
inline constexpr int kExitNotReady = 7;     ///< status: not every process is ready; health: this one is not
inline constexpr int kExitDeadline = 8;     ///< a move: its deadline came, some clients were closed for it
inline constexpr int kExitAborted = 9;      ///< a move that was waited for was called off
inline constexpr int kExitConflict = 10;    ///< refused: another move is under way, or maintenance is on

inline constexpr int kExitBadCertificate = 11;  ///< cert check: clients will not believe it
inline constexpr int kExitEndsSoon = 12;        ///< cert check: it is good, but not for long
inline constexpr int kExitRemarks = 13;         ///< doctor: nothing is broken, but something will be

inline constexpr const char* kExitHelp =
    "Exit codes: 0 done; 1 failed; 2 wrong usage or configuration; 3 cannot start (port in use, folder unusable);\n"
    "4 no such incident, channel, edge or plan; 5 nobody answers, or no edge takes clients;\n"
    "6 partly done: some updates were refused; 7 not every process is ready (status);\n"
    "8 a drain ended by its deadline; 9 it was called off; 10 refused: another one is under way, or maintenance is on;\n"
    "11 a certificate that clients will not believe; 12 one that ends soon (cert check); 13 the doctor has remarks.";

}  // namespace tocsin::ops
