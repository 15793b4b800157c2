#include "edge/http_api/revoking.h"

#include <algorithm>
#include <array>

#include "common/auth/token.h"
#include "common/json/json.h"
#include "common/json/members.h"

namespace tocsin::edge {
namespace {

using json::bad_member;
using Of = link::Revocation::Of;

constexpr std::size_t kMaxAtOnce = 1'000;
constexpr std::int64_t kDefaultSeconds = 30 * 86'400;
constexpr std::int64_t kMaxSeconds = 10LL * 365 * 86'400;

Status take_names(const json::Value& doc, std::string_view member, Of of,
                  std::vector<link::Revocation>& out) {
  const json::Value* list = json::find(doc, member);
  if (list == nullptr) return Done{};
  if (!list->IsArray()) return bad_member(member, "must be a list of names");
  for (const auto& item : list->GetArray()) {
    if (!item.IsString() || item.GetStringLength() == 0 || item.GetStringLength() > auth::kMaxTokenId)
      return bad_member(member, "must be a list of names of at most 256 bytes");
    out.push_back({of, std::string(json::view(item)), 0, 0, 0});
  }
  return Done{};
}

Result<std::int64_t> end_of(const json::Value& doc, std::int64_t now_ms) {
  const auto until = json::uint_member(doc, "until");
  if (!until) return until.error();
  const auto lasts = json::uint_member(doc, "for_s");
  if (!lasts) return lasts.error();
  if (*until && *lasts) return bad_member("until", "and \"for_s\" say the same: give one");
  const auto now_s = static_cast<std::uint64_t>(now_ms / 1'000);
  const std::uint64_t end = *until ? **until : now_s + lasts->value_or(kDefaultSeconds);
  const char* member = *lasts ? "for_s" : "until";
  if (end <= now_s) return bad_member(member, "is in the past: such a token has expired by itself");
  if (end > now_s + kMaxSeconds) return bad_member(member, "is more than ten years away");
  return static_cast<std::int64_t>(end) * 1'000 + 1'000;
}

}  // namespace

Result<std::vector<link::Revocation>> parse_revoke(std::string_view body, std::int64_t now_ms) {
  const auto doc = json::parse(body);
  if (!doc) return doc.error();
  if (!doc->IsObject()) return Error{Errc::invalid_argument, "a JSON object says what to revoke"};
  constexpr std::array<std::string_view, 4> kKnown{"token_ids", "subjects", "until", "for_s"};
  for (const auto& m : doc->GetObject())
    if (std::find(kKnown.begin(), kKnown.end(), json::view(m.name)) == kKnown.end())
      return bad_member(json::view(m.name), "is not known here");
  std::vector<link::Revocation> out;
  if (auto s = take_names(*doc, "token_ids", Of::token, out); !s) return s.error();
  if (auto s = take_names(*doc, "subjects", Of::subject, out); !s) return s.error();
  if (out.empty()) return Error{Errc::invalid_argument, "name \"token_ids\" or \"subjects\" to revoke"};
  if (out.size() > kMaxAtOnce)
    return Error{Errc::invalid_argument, "at most " + std::to_string(kMaxAtOnce) + " names at a time"};
  const auto end = end_of(*doc, now_ms);
  if (!end) return end.error();
  for (auto& one : out) {
    one.until_ms = *end;
    if (one.of == Of::subject) one.before_ms = now_ms;
  }
  return out;
}

std::string revocations_json(const std::vector<link::Revocation>& revocations) {
  std::string out = "{\"revocations\":[";
  for (const auto& one : revocations) {
    if (!out.ends_with('[')) out.push_back(',');
    json::append_quoted(out.append(one.of == Of::token ? "{\"token_id\":" : "{\"subject\":"), one.name);
    if (one.of == Of::subject) out.append(",\"issued_before_ms\":").append(std::to_string(one.before_ms));
    out.append(",\"until_ms\":").append(std::to_string(one.until_ms)).append("}");
  }
  return out + "]}";
}

}  // namespace tocsin::edge
