#pragma once
// The states of an edge, as a table.
//
// clang-format off
//   starting --reached--> ready --cordon--> cordoned --move--> migrating --offered--> settling --settled--> empty
//      |                    ^                ^    |            ^    |  ^                 |  |                 |  |
//      |                    '----------------|- release -------|----'--|-----------------|--'-----------------'  |
//      '----------------- cordon ------------'                 |       '------ move -----'                       |
//                                                              '--------------------- move ----------------------'
//   any but stopping --stop--> stopping
// clang-format on
//
// `release` is an abort or an uncordon. What is not in the table is refused. Values; any thread.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tocsin::edge {

enum class EdgeState : std::uint8_t {
  starting,   ///< the broker was not reached yet
  ready,      ///< takes clients
  cordoned,   ///< says not ready; takes clients for drain.lb_settle_ms yet
  migrating,  ///< offers its clients other edges
  settling,   ///< all were offered one or closed; some were not seen elsewhere yet
  empty,      ///< drained, waits to be stopped or released
  stopping,
};

enum class EdgeEvent : std::uint8_t { reached, cordon, move, offered, settled, release, stop };

struct EdgeTransition {
  EdgeState from;
  EdgeEvent event;
  EdgeState to;
};
inline constexpr std::array<EdgeTransition, 19> kEdgeTransitions{{
    {EdgeState::starting, EdgeEvent::reached, EdgeState::ready},
    {EdgeState::starting, EdgeEvent::cordon, EdgeState::cordoned},
    {EdgeState::ready, EdgeEvent::cordon, EdgeState::cordoned},
    {EdgeState::cordoned, EdgeEvent::move, EdgeState::migrating},
    {EdgeState::migrating, EdgeEvent::offered, EdgeState::settling},
    {EdgeState::settling, EdgeEvent::move, EdgeState::migrating},
    {EdgeState::settling, EdgeEvent::settled, EdgeState::empty},
    {EdgeState::empty, EdgeEvent::move, EdgeState::migrating},
    {EdgeState::cordoned, EdgeEvent::release, EdgeState::ready},
    {EdgeState::migrating, EdgeEvent::release, EdgeState::ready},
    {EdgeState::settling, EdgeEvent::release, EdgeState::ready},
    {EdgeState::empty, EdgeEvent::release, EdgeState::ready},
    {EdgeState::starting, EdgeEvent::stop, EdgeState::stopping},
    {EdgeState::ready, EdgeEvent::stop, EdgeState::stopping},
    {EdgeState::cordoned, EdgeEvent::stop, EdgeState::stopping},
    {EdgeState::migrating, EdgeEvent::stop, EdgeState::stopping},
    {EdgeState::settling, EdgeEvent::stop, EdgeState::stopping},
    {EdgeState::empty, EdgeEvent::stop, EdgeState::stopping},
    // Its clients were offered and found elsewhere before the first look.
    {EdgeState::migrating, EdgeEvent::settled, EdgeState::empty},
}};

/// The state after `event`, or nullopt when it is refused in `state`.
[[nodiscard]] constexpr std::optional<EdgeState> next(EdgeState state, EdgeEvent event) noexcept {
  for (const auto& row : kEdgeTransitions)
    if (row.from == state && row.event == event) return row.to;
  return std::nullopt;
}

inline constexpr std::array<std::string_view, 7> kEdgeStateNames{"starting", "ready", "cordoned", "migrating",
                                                                 "settling", "empty", "stopping"};
[[nodiscard]] constexpr std::string_view name_of(EdgeState state) noexcept {
  return kEdgeStateNames[static_cast<std::size_t>(state)];
}

}  // namespace tocsin::edge
