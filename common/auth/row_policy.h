#pragma once
// The row policy: which claims of a token say which rows its holder may see. "tenant=label.tenant team=team"
// reads: the incident's label `tenant` has to be one of the claim `tenant`, and its team one of the claim
// `team`. Values and pure functions; any thread.
#include <string>
#include <string_view>
#include <vector>

#include "common/constraint.h"
#include "common/json/json.h"
#include "common/result.h"

namespace tocsin::auth {

inline constexpr std::size_t kMaxRowRules = 8;
inline constexpr std::size_t kMaxRowValues = 256;  ///< of one claim
inline constexpr std::size_t kMaxRowValueBytes = 200;
/// In a claim: every value, and none at all.
inline constexpr std::string_view kAllRows = "*";

struct RowRule {
  std::string claim;
  std::string member;  ///< see is_constrainable()
  bool operator==(const RowRule&) const = default;
};
using RowPolicy = std::vector<RowRule>;

/// `claim=member` words, parted by spaces or commas. Fails with invalid_argument, naming the word.
[[nodiscard]] Result<RowPolicy> parse_row_policy(std::string_view text);

/// What the claims leave to be seen. A claim is a text, a whole number, or a list of them; an empty list lets
/// nothing be seen. Fails with unauthorized when a claim is missing or something else: who the policy does
/// not know sees no row.
[[nodiscard]] Result<Constraints> constraints_of(const json::Value& claims, const RowPolicy& policy);

}  // namespace tocsin::auth
