#include "edge/link/session_puts.h"

namespace tocsin::edge {
namespace {
/// A message that was handed to the wire is through, or its connection is known to be broken, after this long.
constexpr Millis kKeep{5'000};
}  // namespace

void SessionPuts::put(link::SessionRecord record, bool connected) {
  const std::string id = record.id;
  const std::uint64_t fence = record.fence;
  if (const auto it = kept_.find(id); it != kept_.end() && it->second.fence > fence) return;
  Put put{link::encode(link::SessionPut{std::move(record), connected}), fence, ++numbers_, false};
  put.sent = online_ && wire_.send(put.bytes);
  ages_.push_back({clock_.steady(), id, put.number});
  kept_.insert_or_assign(id, std::move(put));
  if (ages_.size() > kMax) {
    const Age& oldest = ages_.front();
    if (const auto it = kept_.find(oldest.id); it != kept_.end() && it->second.number == oldest.number) kept_.erase(it);
    ages_.pop_front();
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
