#include "common/auth/row_policy.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace tocsin::auth {
namespace {

Result<RowRule> rule_of(std::string_view word) {
  const auto equals = word.rfind('=');  // a claim may be called by a URL
  const auto bad = [&](std::string_view why) {
    return Error{Errc::invalid_argument, "\"" + std::string(word) + "\" " + std::string(why)};
  };
  if (equals == std::string_view::npos || equals == 0) return bad("is not claim=member");
  RowRule rule{std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
  if (!is_constrainable(rule.member))
    return bad("names no member of incidents: label.NAME, severity, category, source, environment or team");
  return rule;
}

/// A claim's value as text; nullopt when it is none.
std::optional<std::string> text_of(const json::Value& value) {
  std::string text;
  if (value.IsString())
    text = json::view(value);
  else if (value.IsInt64())
    text = std::to_string(value.GetInt64());
  else if (value.IsUint64())
    text = std::to_string(value.GetUint64());
  if (text.empty() || text.size() > kMaxRowValueBytes) return std::nullopt;
  return text;
}

}  // namespace

Result<RowPolicy> parse_row_policy(std::string_view text) {
  RowPolicy policy;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(", "), text.size());
    if (end > 0) {
      auto rule = rule_of(text.substr(0, end));
      if (!rule) return rule.error();
      for (const auto& other : policy)
        if (other.member == rule->member)
          return Error{Errc::invalid_argument, "\"" + rule->member + "\" is constrained twice"};
      policy.push_back(*std::move(rule));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (policy.size() > kMaxRowRules)
    return Error{Errc::invalid_argument, "at most " + std::to_string(kMaxRowRules) + " rules"};
  return policy;
}

Result<Constraints> constraints_of(const json::Value& claims, const RowPolicy& policy) {
  Constraints out;
  for (const auto& rule : policy) {
    const auto refused = [&](std::string_view why) {
      return Error{Errc::unauthorized, "the token's \"" + rule.claim + "\" " + std::string(why)};
    };
    const json::Value* claim = json::find(claims, rule.claim);
    if (claim == nullptr) return refused("is missing: rows are permitted by it");
    Constraint one{rule.member, {}};
    bool all = false;
    const auto take = [&](const json::Value& value) {
      auto text = text_of(value);
      if (!text) return false;
      all = all || *text == kAllRows;
      one.values.push_back(*std::move(text));
      return true;
    };
    if (claim->IsArray()) {
      if (claim->Size() > kMaxRowValues) return refused("has too many values");
      for (const auto& value : claim->GetArray())
        if (!take(value)) return refused("is no list of texts");
    } else if (!take(*claim)) {
      return refused("is neither a text nor a list of texts");
    }
    if (all) continue;
    std::sort(one.values.begin(), one.values.end());
    one.values.erase(std::unique(one.values.begin(), one.values.end()), one.values.end());
    out.push_back(std::move(one));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace tocsin::auth
