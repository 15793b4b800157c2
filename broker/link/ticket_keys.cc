#include "broker/link/ticket_keys.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/crypto/crypto.h"
#include "common/log/log.h"

namespace tocsin::broker {
namespace {

constexpr std::size_t kKeyWords = 4;  // 32 bytes
constexpr std::size_t kMaxKeys = 64;  // renewal pauses at this many: every edge holds them all
constexpr std::int64_t kSpreadMs = 10'000;
constexpr Millis kLook{500};
constexpr std::string_view kSetting = "ticket_keys";
constexpr std::string_view kOnlyKey = "ticket_key";  // of versions that had one

}  // namespace

Status TicketKeys::open() {
  auto kept = store_.setting(kSetting);
  if (!kept) return kept.error();
  if (*kept) {
    auto keys = keys_of(**kept);
    if (!keys) return keys.error();
    keys_ = *std::move(keys);
    return Done{};
  }
  auto only = store_.setting(kOnlyKey);
  if (!only) return only.error();
  keys_ = {*only ? Key{**only, clock_.wall_ms()} : make()};
  sequencer_.gathering().settings.emplace_back(std::string(kSetting), text_of(keys_));
  sequencer_.flush();
  return Done{};
}

TicketKeys::Key TicketKeys::make() const {
  Key key{{}, clock_.wall_ms()};
  for (std::size_t i = 0; i < kKeyWords; ++i) {
    const std::uint64_t word = random_();
    key.bytes.append(reinterpret_cast<const char*>(&word), sizeof word);
  }
  return key;
}

std::int64_t TicketKeys::signs_from(const Key& key) const {
  return key.made_ms + std::min(kSpreadMs, config_.ticket_key_rotate_s * 1'000);
}

void TicketKeys::tick() {
  if (storing_ || clock_.steady() < next_look_ || !sequencer_.not_ready_reason().empty()) return;
  next_look_ = clock_.steady() + kLook;
  const std::int64_t now = clock_.wall_ms();
  std::vector<Key> keys = keys_;
  // A key is over when the one after it has signed for as long as the longest ticket lasts.
  while (keys.size() > 1 && now - signs_from(keys[1]) >= config_.ticket_key_keep_s * 1'000)
    keys.erase(keys.begin());
  const std::int64_t every = config_.ticket_key_rotate_s * 1'000;
  if (every > 0 && now - keys.back().made_ms >= every && keys.size() < kMaxKeys) keys.push_back(make());
  if (keys.size() != keys_.size() || keys.back().made_ms != keys_.back().made_ms) store(std::move(keys));
}

void TicketKeys::store(std::vector<Key> keys) {
  storing_ = true;
  sequencer_.gathering().settings.emplace_back(std::string(kSetting), text_of(keys));
  sequencer_.after_commit([this, keys = std::move(keys)](const Status& status) mutable {
    storing_ = false;
    if (!status) return;  // as if it was not due yet
    keys_ = std::move(keys);
    log::info("the keys of tickets were renewed", {{"keys", keys_.size()}});
  });
  sequencer_.flush();
}

std::vector<std::string> TicketKeys::current() const {
  const std::int64_t now = clock_.wall_ms();
  std::vector<std::string> out;
  for (const Key& key : keys_) {
    // The newest that may sign comes first; the first one of all need not wait.
    const bool signs = out.empty() || signs_from(key) <= now;
    out.insert(signs ? out.begin() : out.end(), key.bytes);
  }
  return out;
}

std::string TicketKeys::text_of(const std::vector<Key>& keys) {
  std::string text;
  for (const Key& key : keys)
    text.append(std::to_string(key.made_ms))
        .append(" ")
        .append(crypto::base64url_encode(key.bytes))
        .append("\n");
  return text;
}

Result<std::vector<TicketKeys::Key>> TicketKeys::keys_of(const std::string& text) {
  const Error broken{Errc::corrupt, "the keys of tickets cannot be read"};
  std::vector<Key> keys;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    const auto space = text.find(' ', at);
    if (end == std::string::npos || space == std::string::npos || space > end) return broken;
    Key key;
    const auto read = std::from_chars(text.data() + at, text.data() + space, key.made_ms);
    const auto bytes = crypto::base64url_decode(std::string_view(text).substr(space + 1, end - space - 1));
    if (read.ec != std::errc{} || read.ptr != text.data() + space || !bytes || bytes->empty()) return broken;
    key.bytes = *bytes;
    keys.push_back(std::move(key));
    at = end + 1;
  }
  if (keys.empty()) return broken;
  return keys;
}

}  // namespace tocsin::broker
