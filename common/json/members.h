#pragma once
// Members of objects that strangers sent: what is wrong with one, in the words that they are told. Pure; any
// thread.
#include <string>
#include <string_view>

#include "common/json/json.h"

namespace tocsin::json {

[[nodiscard]] inline Error bad_member(std::string_view member, std::string_view why) {
  return {Errc::invalid_argument, "\"" + std::string(member) + "\" " + std::string(why)};
}

/// Reads a string member of at most `max` bytes; `out` stays as it is when there is none. Fails with
/// invalid_argument.
[[nodiscard]] inline Status take_text(const Value& from, std::string_view member, std::size_t max,
                                      std::string& out) {
  const auto v = string_member(from, member);
  if (!v) return v.error();
  if (!*v) return Done{};
  if ((*v)->size() > max) return bad_member(member, "is longer than " + std::to_string(max) + " bytes");
  out = std::string(**v);
  return Done{};
}

}  // namespace tocsin::json
