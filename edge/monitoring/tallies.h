#pragma once
// Tallies: the edge's counts of what went wrong, in the groups that profiles ask for. Each refusal is in one
// of them only.
#include <cstddef>
#include <cstdint>

#include "common/close.h"
#include "edge/metrics.h"

namespace tocsin::edge {

struct Tallies {
  std::int64_t refused = 0;          ///< connections, for want of room
  std::int64_t handshake = 0;        ///< connections that sent no request
  std::int64_t unauthenticated = 0;  ///< tokens
  std::int64_t forbidden = 0;
  std::int64_t malformed = 0;  ///< frames
  std::int64_t limited = 0;    ///< clients that sent too much
  std::int64_t slow = 0;       ///< clients that read too little
  std::int64_t forged = 0;     ///< tickets

  [[nodiscard]] std::int64_t errors() const noexcept {
    return refused + handshake + unauthenticated + forbidden + malformed + limited + slow + forged;
  }
  [[nodiscard]] double error_percent(const Metrics& m) const noexcept {
    const auto asked = m.opened.value() + refused + handshake + m.received.value();
    return asked > 0 ? 100.0 * static_cast<double>(errors()) / static_cast<double>(asked) : 0.0;
  }
};

[[nodiscard]] inline Tallies tallies_of(const Metrics& m) {
  const auto closed = [&](CloseReason reason) { return m.closed.at(reason).value(); };
  Tallies t;
  t.refused = m.net_refused.value() + m.net_turned_away.value() + m.net_origins_refused.value() +
              m.net_proxy_headers_refused.value();
  t.handshake = m.net_handshake_timeouts.value() + closed(CloseReason::connect_timeout);
  t.unauthenticated = m.tokens_refused.value();
  t.forbidden = m.forbidden.value();
  t.malformed = m.bad_frames.value() + closed(CloseReason::too_big);
  // Of the limits, those on connections are among `refused`; messages, publishes, bytes and subscriptions
  // come last.
  constexpr std::size_t kFirstOnMessages = 8;
  for (std::size_t i = kFirstOnMessages; i < m.limited.size(); ++i) t.limited += m.limited.at(i).value();
  t.limited += closed(CloseReason::policy);
  t.slow = closed(CloseReason::slow_consumer);
  t.forged = m.tickets_refused.at(0).value();
  return t;
}

}  // namespace tocsin::edge
