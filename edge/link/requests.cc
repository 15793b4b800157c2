#include "edge/link/requests.h"

#include <algorithm>
#include <utility>

namespace tocsin::edge {
namespace {
/// A question without an answer for this long was probably lost with a connection; asking again costs little.
constexpr Millis kRepeatAfter{1'500};
}  // namespace

Requests::Requests(Limits limits, const Clock& clock, LinkWire& wire, std::uint64_t first_ref,
                   Metrics& metrics)
    : limits_(limits), clock_(clock), wire_(wire), metrics_(metrics), next_ref_(first_ref) {}

void Requests::ask(std::uint64_t ref, std::string bytes, Again again, Handler handler) {
  const Instant now = clock_.steady();
  open_.emplace(ref, Open{std::move(bytes), std::move(handler), now + limits_.timeout, now, 0, again,
                          Stage::waiting, ref});
  waiting_.push_back(ref);
  pump(waiting_);
}

void Requests::publish(std::uint64_t ref, std::string bytes, std::uint32_t drafts, Handler handler) {
  if (publish_bytes_ > 0 && publish_bytes_ + bytes.size() > limits_.publish_bytes) {
    metrics_.link_refused_publishes.add(drafts);
    refuse({Errc::overloaded, "too many publishes wait for the broker"}, std::move(handler));
    return;
  }
  publish_bytes_ += bytes.size();
  metrics_.link_publish_bytes.set(static_cast<std::int64_t>(publish_bytes_));
  const Instant now = clock_.steady();
  open_.emplace(ref, Open{std::move(bytes), std::move(handler), now + limits_.timeout, now, drafts,
                          Again::yes, Stage::waiting, ref});
  waiting_publishes_.push_back(ref);
  pump(waiting_publishes_);
}

void Requests::refuse(Error error, Handler handler) {
  refused_.emplace_back(std::move(error), std::move(handler));
}

bool Requests::answer(std::uint64_t ref, link::Message message) {
  const auto renamed = renamed_.find(ref);
  const auto it = open_.find(renamed != renamed_.end() ? renamed->second : ref);
  if (it == open_.end() || it->second.wire_ref != ref) return false;
  const Open open = take(it);
  pump(waiting_publishes_);
  open.handler(std::move(message));
  return true;
}

void Requests::online(std::uint32_t publish_window) {
  online_ = true;
  publish_window_ = publish_window;
  publish_in_flight_ = 0;
  waiting_.clear();
  waiting_publishes_.clear();
  for (auto it = open_.begin(); it != open_.end();) {
    auto& [ref, open] = *it;
    if (open.stage == Stage::sent && open.again == Again::never) {
      refuse({Errc::unavailable, "the connection to the broker broke before the answer came"},
             std::move(open.handler));
      it = open_.erase(it);
      continue;
    }
    if (open.stage == Stage::sent && open.drafts > 0) rename(ref, open);
    open.stage = Stage::waiting;
    (open.drafts > 0 ? waiting_publishes_ : waiting_).push_back(ref);
    ++it;
  }
  pump(waiting_);
  pump(waiting_publishes_);
}

void Requests::tick() {
  const Instant now = clock_.steady();
  auto refused = std::exchange(refused_, {});
  for (auto& [error, handler] : refused) handler(std::move(error));
  // Handlers may ask anew, which only adds at the end of the map: begin() stays the oldest.
  while (!open_.empty() && open_.begin()->second.deadline <= now) {
    metrics_.link_timeouts.add();
    const Open open = take(open_.begin());
    open.handler(Error{Errc::unavailable, "the broker did not answer in time"});
  }
  repeat_silent(now);
  pump(waiting_);
  pump(waiting_publishes_);
}

void Requests::repeat_silent(Instant now) {
  if (!online_) return;
  for (auto& [ref, open] : open_) {
    const Instant asked_at = open.deadline - limits_.timeout;
    if (now - asked_at < kRepeatAfter) return;  // the rest are younger
    if (open.stage != Stage::sent || open.again != Again::yes || now - open.sent_at < kRepeatAfter) continue;
    if (open.drafts > 0) rename(ref, open);
    send(open);
  }
}

void Requests::rename(std::uint64_t ref, Open& open) {
  auto message = link::decode(open.bytes);
  auto* publish = message ? std::get_if<link::Publish>(&*message) : nullptr;
  if (publish == nullptr) return;
  renamed_.erase(open.wire_ref);
  open.wire_ref = publish->ref = next_ref();
  renamed_.emplace(open.wire_ref, ref);
  publish_bytes_ -= open.bytes.size();
  open.bytes = link::encode(*message);
  publish_bytes_ += open.bytes.size();
}

/// Sends in order what the wire and, for publishes, the broker's window take. Entries that are gone are
/// skipped.
void Requests::pump(std::deque<std::uint64_t>& queue) {
  while (online_ && !queue.empty()) {
    const auto it = open_.find(queue.front());
    if (it == open_.end()) {
      queue.pop_front();
      continue;
    }
    Open& open = it->second;
    const bool fits = open.drafts == 0 || publish_window_ == 0 || publish_in_flight_ == 0 ||
                      publish_in_flight_ + open.drafts <= publish_window_;
    if (!fits || !send(open)) return;
    open.stage = Stage::sent;
    publish_in_flight_ += open.drafts;
    queue.pop_front();
  }
}

bool Requests::send(Open& open) {
  open.sent_at = clock_.steady();
  return wire_.send(open.bytes);
}

Requests::Open Requests::take(std::map<std::uint64_t, Open>::iterator it) {
  Open open = std::move(it->second);
  open_.erase(it);
  renamed_.erase(open.wire_ref);
  if (open.drafts > 0) {
    publish_bytes_ -= open.bytes.size();
    metrics_.link_publish_bytes.set(static_cast<std::int64_t>(publish_bytes_));
    if (open.stage == Stage::sent)
      publish_in_flight_ -= std::min<std::uint64_t>(open.drafts, publish_in_flight_);
  }
  return open;
}

}  // namespace tocsin::edge
