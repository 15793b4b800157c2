#pragma once
// Which TCP ports are free. Chosen ports lie below the range that the system gives to outgoing connections: a
// port that was kept for a process that died is then not taken by somebody's connection before the process is
// back.
#include <cstdint>
#include <set>
#include <string>

#include "common/random.h"
#include "common/result.h"

namespace tocsin::ops {

/// True when nothing listens on `address`:`port`.
[[nodiscard]] bool port_free(const std::string& address, std::uint16_t port);

/// A free port of `address` that is not in `taken`, and is added to it. Fails with unavailable when none is
/// found.
[[nodiscard]] Result<std::uint16_t> choose_port(const std::string& address, std::set<std::uint16_t>& taken,
                                                Random& random);

}  // namespace tocsin::ops
