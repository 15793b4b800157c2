#pragma once
// Ticket: signed text in a client's hand that names its session: base64url(payload) "."
// base64url(HMAC-SHA256(payload)), payload {"s":session,"u":subject,"f":fence,"x":expiry in ms}, without "u"
// when it is empty. Every edge of the cluster has the keys; the newest signs, all verify. Pure functions; any
// thread.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace tocsin::edge {

struct Ticket {
  std::string session;
  std::string subject;  ///< of the token with which the session was opened; empty: nobody's
  std::uint64_t fence = 0;
  std::int64_t expires_ms = 0;  ///< wall clock: only decides how long it is accepted
};

/// Why a ticket is of no use, besides `reused`, which only the broker knows.
enum class TicketFault : std::uint8_t {
  forged,   ///< no key of the cluster has signed it, or it is spoiled
  expired,  ///< its time is over
  foreign,  ///< it is another session's or another subject's
  reused,   ///< the session was taken over since it was given
};
[[nodiscard]] std::string_view name_of(TicketFault fault) noexcept;
/// One sentence for the client.
[[nodiscard]] std::string_view text_of(TicketFault fault) noexcept;

/// Who shows a ticket.
struct TicketHolder {
  std::string_view session;  ///< that it says it continues; empty: any
  std::string_view subject;
};

/// Empty when `key` is empty: without a key nothing can be signed.
[[nodiscard]] std::string sign(const Ticket& ticket, std::string_view key);
[[nodiscard]] std::variant<Ticket, TicketFault> verify(std::string_view text,
                                                       std::span<const std::string> keys,
                                                       const TicketHolder& holder, std::int64_t now_ms);

/// Session ids are 32 hexadecimal digits.
[[nodiscard]] bool is_session_id(std::string_view text) noexcept;

}  // namespace tocsin::edge
