#pragma once
// The phases of a client's session, as a table.
//
//                 connect (no ticket), any other command, SSE
//        fresh ------------------------------------------------> active
//          |  \                                                   ^  |
//          |   connect with a ticket or session                   |  |
//          |    \--------------------> claiming --- claimed ------+  |
//          |                               |                        |
//          +---------------- close --------+------------ close -----+--> closing
//
// What is not in the table is refused: a second connect, commands of a closing client. Values; any thread.
#include <array>
#include <cstdint>
#include <optional>

namespace tocsin::edge {

enum class Phase : std::uint8_t {
  fresh,     ///< nothing was said yet; the connect time-out runs
  claiming,  ///< the session it names is being taken over; commands wait
  active,
  closing,  ///< told and being closed; nothing is written or read any more
};

enum class SessionEvent : std::uint8_t { connect, connect_resuming, command, claimed, close };

struct Transition {
  Phase from;
  SessionEvent event;
  Phase to;
};
inline constexpr std::array<Transition, 8> kTransitions{{
    {Phase::fresh, SessionEvent::connect, Phase::active},
    {Phase::fresh, SessionEvent::connect_resuming, Phase::claiming},
    {Phase::fresh, SessionEvent::command, Phase::active},
    {Phase::fresh, SessionEvent::close, Phase::closing},
    {Phase::claiming, SessionEvent::claimed, Phase::active},
    {Phase::claiming, SessionEvent::close, Phase::closing},
    {Phase::active, SessionEvent::command, Phase::active},
    {Phase::active, SessionEvent::close, Phase::closing},
}};

/// The phase after `event`, or nullopt when it is refused in `phase`.
[[nodiscard]] constexpr std::optional<Phase> next(Phase phase, SessionEvent event) noexcept {
  for (const auto& row : kTransitions)
    if (row.from == phase && row.event == event) return row.to;
  return std::nullopt;
}

}  // namespace tocsin::edge
