#pragma once
// How a process ends: every program uses these codes, ops/reference/errors.md lists them.

namespace tocsin {

inline constexpr int kExitOk = 0;           ///< done, or stopped by SIGTERM or SIGINT
inline constexpr int kExitFailure = 1;      ///< anything that has no code of its own
inline constexpr int kExitUsage = 2;        ///< bad configuration or command line
inline constexpr int kExitCannotStart = 3;  ///< port in use, folder unusable or of another cluster

}  // namespace tocsin
