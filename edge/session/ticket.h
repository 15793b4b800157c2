#pragma once
// Ticket: signed text in a client's hand that names its session: base64url(payload) "."
// base64url(HMAC-SHA256(payload)), payload
// {"s":session,"f":fence,"x":expiry in ms}. Every edge of the cluster has the key. Pure functions; any
// thread.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::edge {

struct Ticket {
  std::string session;
  std::uint64_t fence = 0;
  std::int64_t expires_ms = 0;  ///< wall clock: only decides how long it is accepted
};

/// Empty when `key` is empty: without a key nothing can be signed.
[[nodiscard]] std::string sign(const Ticket& ticket, std::string_view key);
/// Fails with unauthorized: not a ticket, another key, or expired.
[[nodiscard]] Result<Ticket> verify(std::string_view text, std::string_view key, std::int64_t now_ms);

/// Session ids are 32 hexadecimal digits.
[[nodiscard]] bool is_session_id(std::string_view text) noexcept;

}  // namespace tocsin::edge
