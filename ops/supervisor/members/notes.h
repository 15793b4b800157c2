#pragma once
// Notes: members.json, what a supervisor leaves to the next one beside its plans: which edges were where,
// which are to be cordoned, maintenance. Values.
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "common/result.h"

namespace tocsin::ops::members {

struct Notes {
  std::map<std::string, std::string> edges;  ///< names by URL
  std::set<std::string> cordoned;
  bool maintenance = false;
  bool operator==(const Notes&) const = default;

  [[nodiscard]] std::string to_json() const;
  /// Fails with invalid_argument.
  [[nodiscard]] static Result<Notes> parse(std::string_view text);
};

/// Nothing noted when there is no such file. Fails with corrupt when the file says nothing sensible, or io.
[[nodiscard]] Result<Notes> load_notes(const std::string& path);

}  // namespace tocsin::ops::members
