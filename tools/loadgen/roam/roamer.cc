#include "tools/loadgen/roam/roamer.h"

#include <algorithm>
#include <utility>

namespace tocsin::loadgen::roam {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

constexpr milliseconds kWelcomeWait{5'000};
constexpr milliseconds kHastyDelay{10};
constexpr milliseconds kLeaveWait{10'000};

}  // namespace

void Roamer::start() { dial(host_.endpoint(turn_), ""); }

void Roamer::plan(Plan what, milliseconds wait) {
  plan_ = what;
  host_.after(wait, *this, ++token_);
}

void Roamer::wake(std::uint32_t token) {
  if (token != token_ || plan_ == Plan::none) return;
  const Plan what = plan_;
  plan_ = Plan::none;
  if (next_ != nullptr) return;
  if (what == Plan::come_back && current_ == nullptr) {
    host_.tally().phase().attempts.record(Clock::now());
    return dial(host_.endpoint(turn_), ticket_);
  }
  if (what != Plan::move || current_ == nullptr || Clock::now() >= offer_until_) return;
  repeats_ = 0;
  host_.tally().phase().attempts.record(Clock::now());
  dial(offer_.target, offer_.ticket.empty() ? ticket_ : offer_.ticket);
}

/// Every other client states its position; the rest rely on what the server knows of them.
void Roamer::dial(const Target& target, const std::string& ticket) {
  const Position stated = id_ % 2 == 0 ? story_.position() : Position{};
  next_ = host_.dial(*this, {id_, sockets_++}, target, connect_frame(ticket, stated, host_.token(id_)));
  if (next_ != nullptr) return;
  if (current_ == nullptr)
    come_back(-1);
  else
    retry_move();
}

void Roamer::refresh() {
  owes_refresh_ = next_ != nullptr && next_->state() == Leg::State::dialling;
  for (Leg* const leg : {current_, next_})
    if (leg != nullptr && leg->state() != Leg::State::dialling) leg->say(refresh_frame(host_.token(id_)));
}

/// 125..375 ms as an application without other advice, more when it fails again and again; different for
/// each.
milliseconds Roamer::own_delay() {
  if (host_.hasty()) return kHastyDelay;
  const std::uint64_t mixed = (std::uint64_t{id_} * 2654435761U + sockets_ * 40503U) % 1000;
  const std::uint64_t window = std::min<std::uint64_t>(2'000, std::uint64_t{250} << std::min(failures_, 4U));
  return milliseconds{window / 2 + window * mixed / 1000};
}

/// To the next of the list, which half of the clients read backwards: those of a dead edge spread. A client
/// that was nowhere yet insists.
void Roamer::come_back(std::int64_t dictated_ms) {
  if (!edge_.empty()) turn_ = id_ / 2 % 2 == 0 ? turn_ + 1 : turn_ - 1;
  milliseconds wait = own_delay();
  if (dictated_ms >= 0 && !host_.hasty()) {
    wait = failures_ > 1 ? std::max(wait, milliseconds{dictated_ms}) : milliseconds{dictated_ms};
    dictated_ += milliseconds{dictated_ms};
  }
  ++failures_;
  plan(Plan::come_back, wait);
}

void Roamer::retry_move() {
  ++failures_;
  if (Clock::now() < offer_until_) plan(Plan::move, own_delay());
}

void Roamer::welcomed(Leg& leg, bool resumed) {
  if (&leg != next_) return;
  ticket_ = leg.ticket();
  if (std::exchange(owes_refresh_, false)) leg.say(refresh_frame(host_.token(id_)));
  if (resumed) return;
  if (!edge_.empty()) ++host_.tally().renewed;
  leg.say(subscribe_frame(channel_, story_.position()));
}

void Roamer::subscribed(Leg& leg, const Position& at, std::string_view outcome) {
  Tally& tally = host_.tally();
  if (outcome == "resumed") ++tally.resumed;
  if (outcome == "snapshot") ++tally.snapshots;
  if (outcome == "lost") ++tally.lost;
  story_.begins(at);
  if (&leg == next_) carry_on(leg, at.offset);
}

/// The next socket carries the stream, from a position that may lie behind what the old one brought.
void Roamer::carry_on(Leg& leg, std::uint64_t from) {
  Leg* const old = current_;
  Phase& phase = host_.tally().phase();
  current_ = &leg;
  next_ = nullptr;
  plan_ = Plan::none;
  failures_ = 0;
  const bool first = edge_.empty();
  if (!first) {
    const auto away = old != nullptr ? milliseconds{0} : duration_cast<milliseconds>(Clock::now() - cut_at_);
    ++phase.moves;
    phase.blackout_ms.record(static_cast<std::uint64_t>(away.count()));
    if (old == nullptr)
      phase.beyond_ms.record(static_cast<std::uint64_t>(std::max(milliseconds{0}, away - dictated_).count()));
    if (edge_ != leg.edge()) ++phase.hops, ++hops_;
  }
  dictated_ = milliseconds{0};
  edge_ = leg.edge();
  if (first) {
    home_ = edge_;
    host_.first_streaming();
  }
  if (old == nullptr) return;
  leaving_.push_back(old);
  owed_bye_ = old;
  switch_at_ = story_.position().offset;
  if (from >= switch_at_) switch_over();
}

void Roamer::switch_over() {
  owed_bye_->say(bye_frame(repeats_));
  owed_bye_ = nullptr;
}

void Roamer::told(Leg& leg, std::uint64_t from, std::uint64_t to, std::string_view frame) {
  if (story_.tell(from, to) == Story::Told::news) {
    if (!frame.empty()) host_.news(*this, to, frame);
  } else if (!frame.empty()) {
    ++repeats_;
    ++host_.tally().phase().repeats;
  }
  if (owed_bye_ != nullptr && &leg == current_ && to >= switch_at_) switch_over();
}

void Roamer::migrating(Leg& leg, const Migration& offer) {
  if (&leg != current_) return;
  ++host_.tally().phase().offers;
  if (host_.plain()) return;
  offer_ = offer;
  offer_until_ = Clock::now() + offer.deadline;
  failures_ = 0;
  plan(Plan::move, offer.wait);
}

/// A ticket that is not honoured is answered by a new session, whose `welcome` says so; a subscription that
/// could not be taken up is asked for again.
void Roamer::refused(Leg& leg, std::string_view frame) {
  if (text_member(frame, "\"code\"") == "unauthorized" && text_member(frame, "\"id\"").empty()) return;
  ++host_.tally().errors;
  if (&leg == next_ && text_member(frame, "\"id\"") == "a")
    leg.say(subscribe_frame(channel_, story_.position()));
}

void Roamer::ended(Leg& leg) {
  host_.tally().broken += leg.broken();
  if (const auto at = std::find(leaving_.begin(), leaving_.end(), &leg); at != leaving_.end()) {
    leaving_.erase(at);
    if (owed_bye_ == &leg) owed_bye_ = nullptr;
    return;
  }
  if (!leg.closing().ticket.empty()) ticket_ = leg.closing().ticket;
  std::int64_t dictated = leg.closing().retry_after_ms;
  if (&leg == next_) {
    next_ = nullptr;
    if (leg.socket().retry_after_s() >= 0) {
      dictated = std::int64_t{leg.socket().retry_after_s()} * 1000;
      ++host_.tally().phase().turned_away;
    }
    if (current_ != nullptr) return retry_move();
    return come_back(dictated);
  }
  if (&leg != current_) return;
  current_ = nullptr;
  cut_at_ = Clock::now();
  dictated_ = milliseconds{0};
  failures_ = 0;
  Phase& phase = host_.tally().phase();
  ++phase.cut;
  if (!leg.closing().said) ++phase.abrupt;
  if (next_ == nullptr) come_back(dictated);
}

void Roamer::look(Clock::time_point now, milliseconds silence) {
  if (next_ != nullptr && now - next_->dialled() > kWelcomeWait) {
    Leg& leg = *next_;
    ended(leg);
    host_.drop(leg);
  }
  if (current_ != nullptr && now - current_->heard() > silence) {
    Leg& leg = *current_;
    ended(leg);
    host_.drop(leg);
  }
  while (!leaving_.empty() && now - leaving_.front()->heard() > kLeaveWait) {
    Leg& leg = *leaving_.front();
    ended(leg);
    host_.drop(leg);
  }
}

void Roamer::leave() {
  plan_ = Plan::none;
  if (current_ != nullptr) host_.tally().broken += current_->broken();
  for (Leg* const leg : leaving_) host_.tally().broken += leg->broken();
}

}  // namespace tocsin::loadgen::roam
