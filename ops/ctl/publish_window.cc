#include "ops/ctl/publish_window.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tocsin::ops {
namespace {

bool later(const link::Fault& fault) {
  return !fault.ok() && describe(link::error_of(fault).code).retry == Retry::backoff &&
         fault.code != describe(Errc::internal).name;
}

std::size_t size_of(const Draft& draft) {
  return draft.incident.size() + draft.event_data.size() + draft.event_id.size() + draft.key.size() + 64;
}

}  // namespace

void PublishWindow::add(Draft draft) {
  const std::size_t bytes = size_of(draft);
  waiting_.push_back({next_number_++, bytes, false, Instant{}, std::move(draft)});
}

std::optional<link::Publish> PublishWindow::next(Instant now) {
  if (paused_until_ && now < *paused_until_) return std::nullopt;
  // While refused drafts are being collected nothing newer may overtake them.
  if (paused_until_ && !flight_.empty()) return std::nullopt;
  paused_until_.reset();
  const std::size_t window = window_ == 0 ? limits_.batch : window_;
  if (waiting_.empty() || in_flight_ >= window) return std::nullopt;

  const std::size_t most = std::min(limits_.batch, window - in_flight_);
  Flight flight{next_ref_++, {}};
  link::Publish message{flight.ref, {}};
  std::size_t bytes = 0;
  while (!waiting_.empty() && flight.entries.size() < most) {
    Entry& entry = waiting_.front();
    if (!flight.entries.empty() && bytes + entry.bytes > limits_.batch_bytes) break;
    bytes += entry.bytes;
    if (entry.sent_before)
      ++resent_;
    else
      entry.first_sent = now;
    entry.sent_before = true;
    message.drafts.push_back(entry.draft);
    flight.entries.push_back(std::move(entry));
    waiting_.pop_front();
  }
  in_flight_ += flight.entries.size();
  flight_.push_back(std::move(flight));
  return message;
}

std::vector<PublishWindow::Outcome> PublishWindow::on_result(link::PublishResult result, Instant now) {
  const auto found =
      std::find_if(flight_.begin(), flight_.end(), [&](const Flight& f) { return f.ref == result.ref; });
  if (found == flight_.end()) return {};
  Flight flight = std::move(*found);
  flight_.erase(found);
  in_flight_ -= flight.entries.size();

  std::vector<Outcome> outcomes;
  std::vector<Entry> again;
  for (std::size_t i = 0; i < flight.entries.size(); ++i) {
    Entry& entry = flight.entries[i];
    // An answer that is too short says nothing about the rest: as good as refused for now.
    if (i >= result.outcomes.size() || later(result.outcomes[i].fault)) {
      again.push_back(std::move(entry));
      continue;
    }
    outcomes.push_back({entry.number, std::move(result.outcomes[i]), now - entry.first_sent});
  }
  if (!again.empty()) {
    paused_until_ = now + limits_.pause;
    requeue(std::move(again));
  }
  return outcomes;
}

void PublishWindow::on_reconnected() {
  std::vector<Entry> again;
  for (Flight& flight : flight_)
    std::move(flight.entries.begin(), flight.entries.end(), std::back_inserter(again));
  flight_.clear();
  in_flight_ = 0;
  paused_until_.reset();
  requeue(std::move(again));
}

void PublishWindow::requeue(std::vector<Entry> entries) {
  const auto middle = static_cast<std::ptrdiff_t>(entries.size());
  waiting_.insert(waiting_.begin(), std::make_move_iterator(entries.begin()),
                  std::make_move_iterator(entries.end()));
  std::inplace_merge(waiting_.begin(), waiting_.begin() + middle, waiting_.end(),
                     [](const Entry& a, const Entry& b) { return a.number < b.number; });
}

}  // namespace tocsin::ops
