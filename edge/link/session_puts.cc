#include "edge/link/session_puts.h"

#include <algorithm>

namespace tocsin::edge {
namespace {
/// A message that was handed to the wire is through, or its connection is known to be broken, after this
/// long.
constexpr Millis kKeep{5'000};
}  // namespace

SessionPuts::Put* SessionPuts::keep(link::SessionRecord record, bool connected) {
  const std::string id = record.id;
  const std::uint64_t fence = record.fence;
  if (const auto it = kept_.find(id); it != kept_.end() && it->second.fence > fence) return nullptr;
  ages_.push_back({clock_.steady(), id, ++numbers_});
  const auto kept =
      kept_
          .insert_or_assign(
              id, Put{link::encode(link::SessionPut{std::move(record), connected}), fence, numbers_, false})
          .first;
  if (ages_.size() > kMax) {
    const Age& oldest = ages_.front();
    if (const auto it = kept_.find(oldest.id); it != kept_.end() && it->second.number == oldest.number)
      kept_.erase(it);
    ages_.pop_front();
  }
  return &kept->second;
}

void SessionPuts::put(link::SessionRecord record, bool connected) {
  Put* put = keep(std::move(record), connected);
  if (put != nullptr) put->sent = online_ && wire_.send(put->bytes);
}

void SessionPuts::put(std::vector<link::SessionRecord> records) {
  for (std::size_t from = 0; from < records.size(); from += kTogether) {
    const std::size_t to = std::min(records.size(), from + kTogether);
    std::vector<Put*> together;
    std::vector<std::string> bytes;
    for (std::size_t i = from; i < to; ++i) {
      Put* put = keep(std::move(records[i]), true);
      if (put == nullptr) continue;
      together.push_back(put);
      bytes.push_back(put->bytes);
    }
    if (together.empty() || !online_) continue;
    const bool sent = wire_.send(bytes.size() == 1 ? bytes.front() : link::encode_session_puts(bytes));
    for (Put* put : together) put->sent = sent;
  }
}

void SessionPuts::online() {
  online_ = true;
  const Instant now = clock_.steady();
  std::deque<Age> again;
  for (Age& age : ages_) {
    const auto it = kept_.find(age.id);
    if (it == kept_.end() || it->second.number != age.number) continue;
    it->second.sent = wire_.send(it->second.bytes);
    again.push_back({now, std::move(age.id), age.number});
  }
  ages_ = std::move(again);
}

void SessionPuts::tick() {
  const Instant now = clock_.steady();
  while (!ages_.empty() && now - ages_.front().at >= kKeep) {
    Age age = std::move(ages_.front());
    ages_.pop_front();
    const auto it = kept_.find(age.id);
    if (it == kept_.end() || it->second.number != age.number) continue;
    if (!it->second.sent && online_) it->second.sent = wire_.send(it->second.bytes);
    if (it->second.sent)
      kept_.erase(it);
    else
      ages_.push_back({now, std::move(age.id), age.number});
  }
}

}  // namespace tocsin::edge
