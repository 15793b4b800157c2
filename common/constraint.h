#pragma once
// Constraint: one member of an incident that has to have one of some values, by whose right somebody looks at
// it. Value; any thread.
#include <compare>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin {

struct Constraint {
  std::string member;               ///< see is_constrainable()
  std::vector<std::string> values;  ///< sorted and unique; none: nothing passes
  auto operator<=>(const Constraint&) const = default;
};
/// Each has to hold; none restricts nothing. By member, each member once.
using Constraints = std::vector<Constraint>;

inline constexpr std::string_view kLabelMember = "label.";

/// Whether a constraint may be on this member: `label.<name>`, or severity, category, source, environment,
/// team.
[[nodiscard]] constexpr bool is_constrainable(std::string_view member) noexcept {
  for (const std::string_view one : {"severity", "category", "source", "environment", "team"})
    if (member == one) return true;
  return member.starts_with(kLabelMember) && member.size() > kLabelMember.size();
}

}  // namespace tocsin
