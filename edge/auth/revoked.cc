#include "edge/auth/revoked.h"

#include <algorithm>

namespace tocsin::edge {

bool Revoked::add(const std::vector<link::Revocation>& revocations) {
  bool news = false;
  for (const auto& one : revocations) {
    auto& names = one.of == link::Revocation::Of::token ? tokens_ : subjects_;
    auto [at, fresh] = names.try_emplace(one.name, Ends{one.before_ms, one.until_ms});
    Ends& ends = at->second;
    news = news || fresh || one.before_ms > ends.before_ms;
    ends.before_ms = std::max(ends.before_ms, one.before_ms);
    ends.until_ms = std::max(ends.until_ms, one.until_ms);
  }
  return news;
}

bool Revoked::covers(const auth::Principal& principal) const {
  if (!principal.token_id.empty() && tokens_.contains(principal.token_id)) return true;
  const auto subject = subjects_.find(principal.subject);
  return subject != subjects_.end() && principal.issued_ms <= subject->second.before_ms;
}

void Revoked::forget_ended(std::int64_t now_ms) {
  const auto ended = [now_ms](const auto& entry) { return entry.second.until_ms <= now_ms; };
  std::erase_if(tokens_, ended);
  std::erase_if(subjects_, ended);
}

std::vector<link::Revocation> Revoked::all() const {
  std::vector<link::Revocation> out;
  for (const auto& [name, ends] : tokens_)
    out.push_back({link::Revocation::Of::token, name, ends.before_ms, ends.until_ms, 0});
  for (const auto& [name, ends] : subjects_)
    out.push_back({link::Revocation::Of::subject, name, ends.before_ms, ends.until_ms, 0});
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.until_ms < b.until_ms; });
  return out;
}

}  // namespace tocsin::edge
