#pragma once
// How an update looks to people: one line, the newest state of its incident at a glance, colour on a terminal
// only. Text from incidents is shown with control characters replaced: an incident cannot move somebody's
// cursor. Pure functions.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/json/json.h"

namespace tocsin::ops {

enum class Colour : std::uint8_t { off, on };

/// `frame` is a client protocol update frame: "18:04:07  #182  P1  investigating  state_changed  INC42  title
/// (team)  by ana".
[[nodiscard]] std::string update_line(const json::Value& frame, Colour colour);
/// A row of current state, as in a snapshot or a list of incidents.
[[nodiscard]] std::string incident_line(const json::Value& incident, Colour colour);
/// Control characters become '?'; longer than `width` characters is cut with an ellipsis.
[[nodiscard]] std::string printable(std::string_view text, std::size_t width);

}  // namespace tocsin::ops
