#pragma once
// What the kernel counts of a socket. Any thread.
#include <cstdint>

namespace tocsin::edge {

/// Bytes that the other side has sent and the kernel has acknowledged; 0: not known.
[[nodiscard]] std::uint64_t received_bytes(int fd) noexcept;

}  // namespace tocsin::edge
