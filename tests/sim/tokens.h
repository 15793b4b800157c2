#pragma once
// Tokens in the simulation: edges that ask for them and let each client see its tenants' rows only, and what
// clients show there. Values; any thread.
#include <cstdint>
#include <string>

#include "edge/config.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

/// How a client deals with the end of its tokens.
struct TokenPlan {
  enum class Habit : std::uint8_t { in_time, late, never };
  std::string subject;    ///< empty: no token is asked for
  std::string tenants{};  ///< of the first token, as in the claim (JSON)
  std::int64_t lasts_ms = 0;
  Habit habit = Habit::in_time;
  bool in_head = false;     ///< shows it with the upgrade, else in the first frame
  bool other_rows = false;  ///< a later token may let it see others
};

struct Token {
  std::string text;  ///< empty: none
  std::string tenants;
  std::int64_t issued_ms = 0;
  std::int64_t expires_ms = 0;
};

/// Makes an edge ask for tokens, with a row policy.
void ask_for_tokens(edge::Config& config);
[[nodiscard]] Token made_token(const std::string& subject, const std::string& tenants, std::int64_t wall_ms,
                               std::int64_t lasts_ms);
/// A claim's value. Two that let the same be seen are the same text.
[[nodiscard]] std::string any_tenants(Chance& chance);
/// What the checker is told of such a claim (tests/checker/FORMAT.md 2.10).
[[nodiscard]] std::string labels_of(const std::string& tenants);

}  // namespace tocsin::sim
