#include "common/auth/permissions.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/json/members.h"

namespace tocsin::auth {
namespace {

constexpr std::array<std::pair<std::string_view, std::vector<std::string> Permissions::*>, 3> kActions{{
    {"subscribe", &Permissions::subscribe},
    {"publish", &Permissions::publish},
    {"admin", &Permissions::admin},
}};

Status add(std::vector<std::string>& to, std::string_view pattern) {
  if (auto ok = check_pattern(pattern); !ok) return ok.error();
  if (to.size() == kMaxPatterns)
    return Error{Errc::invalid_argument, "at most " + std::to_string(kMaxPatterns) + " patterns an action"};
  to.emplace_back(pattern);
  return Done{};
}

/// "subscribe:a"; a word of another kind is passed over.
Status add_word(Permissions& to, std::string_view word) {
  for (const auto& [name, list] : kActions)
    if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == ':')
      return add(to.*list, word.substr(name.size() + 1));
  return Done{};
}

Status add_words(Permissions& to, std::string_view text) {
  while (!text.empty()) {
    const auto space = std::min(text.find(' '), text.size());
    if (auto ok = add_word(to, text.substr(0, space)); !ok) return ok.error();
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return Done{};
}

bool matches(std::string_view pattern, std::string_view channel) noexcept {
  if (!pattern.ends_with('*')) return pattern == channel;
  pattern.remove_suffix(1);
  return channel.starts_with(pattern) && channel.size() > pattern.size();
}

Result<Permissions> from_object(const json::Value& claim) {
  Permissions out;
  for (const auto& [name, list] : kActions) {
    const json::Value* patterns = json::find(claim, name);
    if (patterns == nullptr) continue;
    if (!patterns->IsArray()) return json::bad_member(name, "must be a list of channel patterns");
    for (const auto& pattern : patterns->GetArray()) {
      if (!pattern.IsString()) return json::bad_member(name, "must be a list of channel patterns");
      if (auto ok = add(out.*list, json::view(pattern)); !ok) return ok.error();
    }
  }
  return out;
}

}  // namespace

Status check_pattern(std::string_view pattern) {
  const auto star = pattern.find('*');
  const bool whole = star == std::string_view::npos || pattern == "*" ||
                     (star + 1 == pattern.size() && star > 1 && pattern[star - 1] == '/');
  if (pattern.empty() || pattern.size() > kMaxPatternBytes || !whole)
    return Error{Errc::invalid_argument, "a channel pattern is a name, a name followed by /*, or *"};
  return Done{};
}

bool Permissions::allow(Action action, std::string_view channel) const noexcept {
  const auto& patterns = this->*kActions[static_cast<std::size_t>(action)].second;
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return matches(p, channel); });
}

bool Permissions::allow_all(Action action) const noexcept {
  const auto& patterns = this->*kActions[static_cast<std::size_t>(action)].second;
  return std::find(patterns.begin(), patterns.end(), "*") != patterns.end();
}

Result<Permissions> parse_permissions(const json::Value& claim) {
  if (claim.IsObject()) return from_object(claim);
  Permissions out;
  if (claim.IsString()) {
    if (auto ok = add_words(out, json::view(claim)); !ok) return ok.error();
    return out;
  }
  if (!claim.IsArray()) return Error{Errc::invalid_argument, "permissions are an object, a list or a text"};
  for (const auto& word : claim.GetArray()) {
    if (!word.IsString()) return Error{Errc::invalid_argument, "a permission is a text"};
    if (auto ok = add_word(out, json::view(word)); !ok) return ok.error();
  }
  return out;
}

}  // namespace tocsin::auth
