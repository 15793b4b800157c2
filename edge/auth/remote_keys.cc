#include "edge/auth/remote_keys.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace tocsin::edge {
namespace {

constexpr Millis kFirstPause{1'000};
constexpr Millis kLongestPause{60'000};

bool same(const auth::VerifyingKey& a, const auth::VerifyingKey& b) { return a.id == b.id && a.key == b.key; }

}  // namespace

bool RemoteKeys::begin() {
  if (under_way_ || clock_.steady() < due_) return false;
  under_way_ = true;
  begun_ = clock_.steady();
  return true;
}

void RemoteKeys::miss() { due_ = std::min(due_, begun_ + times_.floor); }

void RemoteKeys::failed(std::string_view why) {
  pause_ = pause_ == Millis{} ? kFirstPause : std::min(pause_ * 2, std::min(kLongestPause, times_.refresh));
  due_ = clock_.steady() + pause_;
  if (std::exchange(failing_, true)) return;
  if (known_)
    log::error("the keys of tokens could not be fetched; those known stay in use", {{"why", why}});
  else
    log::error("the keys of tokens could not be fetched; no token is good before", {{"why", why}});
}

bool RemoteKeys::fetched(const Result<std::string>& text) {
  under_way_ = false;
  if (!text) return failed(text.error().detail), false;
  auto listed = auth::parse_jwks(*text);
  if (listed)
    std::erase_if(*listed, [](const auto& k) { return k.key.algorithm() == crypto::Algorithm::hs256; });
  if (!listed || listed->empty())
    return failed(listed ? "no public key in it is for RS256, ES256 or EdDSA"
                         : std::string_view(listed.error().detail)),
           false;
  pause_ = {};
  failing_ = false;
  due_ = clock_.steady() + times_.refresh;
  bool changed = !std::exchange(known_, true);
  for (auto& kept : keys_) {
    const bool still =
        std::any_of(listed->begin(), listed->end(), [&](const auto& key) { return same(key, kept.key); });
    if (kept.listed && !still) kept.until = clock_.steady() + times_.keep;
    kept.listed = still;
  }
  for (auto& key : *listed) {
    if (std::any_of(keys_.begin(), keys_.end(), [&](const auto& kept) { return same(key, kept.key); }))
      continue;
    keys_.push_back({std::move(key)});
    changed = true;
  }
  return tick() || changed;
}

bool RemoteKeys::tick() {
  return std::erase_if(keys_, [now = clock_.steady()](const Kept& kept) {
           return !kept.listed && now >= kept.until;
         }) > 0;
}

std::vector<auth::VerifyingKey> RemoteKeys::keys() const {
  std::vector<auth::VerifyingKey> out;
  for (const auto& kept : keys_) out.push_back(kept.key);
  return out;
}

}  // namespace tocsin::edge
