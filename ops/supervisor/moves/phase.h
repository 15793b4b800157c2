#pragma once
// Phase: where a move is, and the only steps from one phase to another.
//
//   drain, migrate   planned -> moving -> done
//   rebalance        planned -> looking -> moving -> looking ... -> done
//   scale up         planned -> starting -> looking -> moving -> looking ... -> done
//   scale down       planned -> moving -> retiring -> done
//   restart          planned -> starting (surge edge) -> moving -> replacing -> moving -> replacing ...
//                      -> moving (surge edge) -> retiring -> broker -> done
//
//   aborted or failed: any up to replacing -> undoing (what edges still do is called off), then a restart
//   empties and stops its surge edge: undoing -> moving -> retiring; a scale up that failed stops what it
//   started: undoing -> retiring; at last aborted or failed. An edge that cannot start from the new release:
//   replacing -> reverting (it gets its old one back) -> undoing.
//
// Invariant: a phase is on disk before anything is done in it, and what is done in it may be done again: a
// supervisor that finds a move in any phase goes on there. Values.
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tocsin::ops {

enum class Phase : std::uint8_t {
  planned,
  starting,
  looking,
  moving,
  replacing,
  reverting,
  retiring,
  broker,
  undoing,
  done,
  aborted,
  failed,
};

inline constexpr auto kPhaseNames =
    std::to_array<std::string_view>({"planned", "starting", "looking", "moving", "replacing", "reverting",
                                     "retiring", "broker", "undoing", "done", "aborted", "failed"});

[[nodiscard]] constexpr std::string_view to_text(Phase phase) noexcept {
  return kPhaseNames[static_cast<std::size_t>(phase)];
}

[[nodiscard]] constexpr std::optional<Phase> phase_named(std::string_view text) noexcept {
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i)
    if (kPhaseNames[i] == text) return static_cast<Phase>(i);
  return std::nullopt;
}

[[nodiscard]] constexpr bool ended(Phase phase) noexcept { return phase >= Phase::done; }

struct PhaseStep {
  Phase from;
  Phase to;
};
inline constexpr auto kPhaseSteps = std::to_array<PhaseStep>({
    {Phase::planned, Phase::starting},    {Phase::planned, Phase::looking},
    {Phase::planned, Phase::moving},      {Phase::planned, Phase::undoing},
    {Phase::starting, Phase::looking},    {Phase::starting, Phase::moving},
    {Phase::starting, Phase::undoing},    {Phase::looking, Phase::moving},
    {Phase::looking, Phase::done},        {Phase::looking, Phase::undoing},
    {Phase::moving, Phase::looking},      {Phase::moving, Phase::replacing},
    {Phase::moving, Phase::retiring},     {Phase::moving, Phase::done},
    {Phase::moving, Phase::undoing},      {Phase::replacing, Phase::moving},
    {Phase::replacing, Phase::reverting}, {Phase::replacing, Phase::undoing},
    {Phase::reverting, Phase::undoing},   {Phase::undoing, Phase::moving},
    {Phase::undoing, Phase::retiring},    {Phase::undoing, Phase::aborted},
    {Phase::undoing, Phase::failed},      {Phase::retiring, Phase::broker},
    {Phase::retiring, Phase::done},       {Phase::retiring, Phase::aborted},
    {Phase::retiring, Phase::failed},     {Phase::broker, Phase::done},
    {Phase::broker, Phase::failed},
});

[[nodiscard]] constexpr bool allowed(Phase from, Phase to) noexcept {
  for (const PhaseStep& step : kPhaseSteps)
    if (step.from == from && step.to == to) return true;
  return false;
}

/// From here on a move is only finished: what it does cannot be called off any more.
[[nodiscard]] constexpr bool too_late_to_abort(Phase phase) noexcept {
  return phase == Phase::retiring || phase == Phase::broker || ended(phase);
}

}  // namespace tocsin::ops
