// Every state of an edge against every event: what the table allows happens, everything else is refused.
#include <doctest/doctest.h>

#include "edge/drain/edge_state.h"

namespace tocsin::edge {
namespace {

constexpr std::array kStates{EdgeState::starting, EdgeState::ready, EdgeState::cordoned, EdgeState::migrating,
                             EdgeState::settling, EdgeState::empty, EdgeState::stopping};
constexpr std::array kEvents{EdgeEvent::reached, EdgeEvent::cordon,  EdgeEvent::move, EdgeEvent::offered,
                             EdgeEvent::settled, EdgeEvent::release, EdgeEvent::stop};

TEST_CASE("a drain passes the states in order, and an abort leads back") {
  EdgeState state = EdgeState::starting;
  for (const auto& [event, to] :
       {std::pair{EdgeEvent::reached, EdgeState::ready}, std::pair{EdgeEvent::cordon, EdgeState::cordoned},
        std::pair{EdgeEvent::move, EdgeState::migrating}, std::pair{EdgeEvent::offered, EdgeState::settling},
        std::pair{EdgeEvent::move, EdgeState::migrating}, std::pair{EdgeEvent::offered, EdgeState::settling},
        std::pair{EdgeEvent::settled, EdgeState::empty}, std::pair{EdgeEvent::release, EdgeState::ready},
        std::pair{EdgeEvent::stop, EdgeState::stopping}}) {
    REQUIRE(next(state, event) == to);
    state = to;
  }
}

TEST_CASE("what holds of every state") {
  for (const auto state : kStates) {
    CAPTURE(name_of(state));
    const bool stopping = state == EdgeState::stopping;
    CHECK(next(state, EdgeEvent::stop).has_value() == !stopping);
    // Only what is cordoned can be released, and it is then ready.
    const bool cordoned = state >= EdgeState::cordoned && !stopping;
    CHECK(next(state, EdgeEvent::release).has_value() == cordoned);
    if (cordoned) CHECK(next(state, EdgeEvent::release) == EdgeState::ready);
    // Nothing is moved off an edge that still takes clients.
    if (next(state, EdgeEvent::move)) CHECK(cordoned);
    for (const auto event : kEvents) {
      if (stopping) CHECK_FALSE(next(state, event).has_value());
      CHECK(next(state, event) != EdgeState::starting);
    }
  }
}

TEST_CASE("each row is there once") {
  for (std::size_t i = 0; i < kEdgeTransitions.size(); ++i)
    for (std::size_t j = i + 1; j < kEdgeTransitions.size(); ++j)
      CHECK_FALSE((kEdgeTransitions[i].from == kEdgeTransitions[j].from &&
                   kEdgeTransitions[i].event == kEdgeTransitions[j].event));
}

}  // namespace
}  // namespace tocsin::edge
