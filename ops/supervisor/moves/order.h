#pragma once
// Order: what somebody asked for; a move carries it out. Values; any thread.
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/result.h"
#include "ops/supervisor/release.h"

namespace tocsin::ops {

enum class MoveKind : std::uint8_t { drain, migrate, rebalance, scale, restart };
inline constexpr auto kMoveKindNames =
    std::to_array<std::string_view>({"drain", "migrate", "rebalance", "scale", "restart"});
[[nodiscard]] constexpr std::string_view to_text(MoveKind kind) noexcept {
  return kMoveKindNames[static_cast<std::size_t>(kind)];
}

/// How edges are to go about it; zero and empty leave it to the edge.
struct Pace {
  std::vector<std::string> to;  ///< targets, all others are left out
  std::vector<std::string> exclude;
  std::uint64_t batch = 0;
  std::uint64_t rate = 0;  ///< clients a second, at most
  std::uint64_t deadline_ms = 0;
};

struct Order {
  MoveKind kind = MoveKind::drain;
  std::string edge;         ///< drain, migrate
  std::uint64_t count = 0;  ///< migrate: clients; scale: edges
  Pace pace;
  Release release;  ///< restart: the new one

  [[nodiscard]] std::string to_json() const;
  /// As to_json() wrote it. Fails with invalid_argument.
  [[nodiscard]] static Result<Order> parse(const json::Value& value);
};

/// Reads targets (or "to"), exclude, batch, rate and deadline_ms of a request. Fails with invalid_argument
/// that names the member.
[[nodiscard]] Result<Pace> parse_pace(const json::Value& value);

}  // namespace tocsin::ops
