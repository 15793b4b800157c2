#include "tools/loadgen/roam/announcer.h"

#include <algorithm>
#include <charconv>

namespace tocsin::loadgen::roam {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint32_t kClient = 4'000'000'000;  // no listener's number
constexpr std::size_t kWindow = 200;              // below limits.client_publish_inflight
constexpr milliseconds kPause{50};
constexpr milliseconds kSilence{4'000};

}  // namespace

Announcer::Announcer(Host& host, Rhythm rhythm, History* history, Clock::time_point zero)
    : host_(host), rhythm_(std::move(rhythm)), history_(history), zero_(zero) {
  acked_.resize(rhythm_.channels);
  counts_.resize(rhythm_.channels);
}

std::string Announcer::channel(std::uint64_t share) const {
  return rhythm_.channels > 1 ? rhythm_.channel + "-" + std::to_string(share) : rhythm_.channel;
}

void Announcer::start(Clock::time_point now) {
  publishing_ = rhythm_.rate > 0;
  begin_ = now;
}

void Announcer::tick(Clock::time_point now) {
  while (publishing_ && begin_ + duration<double>(static_cast<double>(published_) / rhythm_.rate) <= now) {
    const auto due = begin_ + duration<double>(static_cast<double>(published_) / rhythm_.rate) - zero_;
    waiting_.push_back({.index = published_,
                        .due_us = static_cast<std::uint64_t>(duration_cast<microseconds>(due).count())});
    ++counts_[published_++ % rhythm_.channels];
  }
  for (Leg* const leg : {current_, next_}) {
    const bool stuck = leg != nullptr && (leg == next_ || !waiting_.empty()) &&
                       now - std::max(leg->heard(), leg->dialled()) > kSilence;
    if (!stuck) continue;
    ended(*leg);
    host_.drop(*leg);
  }
  if (now >= move_at_ && current_ != nullptr && next_ == nullptr) {
    move_at_ = Clock::time_point::max();
    dial(offer_.target, offer_.ticket);
  }
  if (current_ == nullptr && next_ == nullptr && now >= dial_at_) dial(host_.endpoint(turn_), ticket_);
  if (now >= again_at_) send_some();
}

void Announcer::dial(const Target& target, const std::string& ticket) {
  next_ = host_.dial(*this, {kClient, sockets_++}, target, connect_frame(ticket, {}, host_.token(kClient)));
  dial_at_ = Clock::now() + kPause;
}

void Announcer::refresh() {
  for (Leg* const leg : {current_, next_})
    if (leg != nullptr && leg->state() != Leg::State::dialling) leg->say(refresh_frame(host_.token(kClient)));
}

std::string Announcer::update(const Item& item) const {
  const std::uint64_t share = item.index % rhythm_.channels;
  const std::string number = std::to_string(item.index / rhythm_.channels + 1);
  const std::string at = channel(share);
  std::string out = R"({"channel":")" + at + R"(","event_id":")" + at + "#" + number;
  out.append(R"(","kind":"event","event":{"name":"load","data":{"t":)").append(std::to_string(item.due_us));
  out.append(",\"n\":").append(number).append(",\"pad\":\"").append(rhythm_.payload_bytes, 'x');
  return out.append("\"}}}");
}

void Announcer::send_some() {
  if (current_ == nullptr) return;
  current_->socket().cork(true);
  for (std::size_t i = 0; i < std::min(kWindow, waiting_.size()); ++i) {
    Item& item = waiting_[i];
    if (item.sent) continue;
    const std::string what = update(item);
    if (history_ != nullptr && !item.said) history_->publishing(what);
    if (item.said) ++repeated_;
    item.sent = item.said = true;
    current_->say(R"({"type":"publish","ref":")" + std::to_string(item.index) + R"(","update":)" + what +
                  "}");
  }
  current_->socket().cork(false);
}

void Announcer::welcomed(Leg& leg, bool) {
  if (&leg != next_) return;
  if (current_ != nullptr) {
    Leg& old = *current_;
    old.say(bye_frame(0));
    current_ = nullptr;  // its end is of no interest any more
  }
  current_ = next_;
  next_ = nullptr;
  ticket_ = leg.ticket();
  for (Item& item : waiting_) item.sent = false;
}

void Announcer::migrating(Leg& leg, const Migration& offer) {
  if (&leg != current_) return;
  offer_ = offer;
  move_at_ = Clock::now() + offer.wait;
}

void Announcer::answered(Leg&, std::string_view frame, bool accepted) {
  const auto ref = text_member(frame, "\"ref\"");
  std::uint64_t index = 0;
  std::from_chars(ref.data(), ref.data() + ref.size(), index);
  const auto item =
      std::find_if(waiting_.begin(), waiting_.end(), [index](const Item& i) { return i.index == index; });
  if (item == waiting_.end()) return;  // answered on another socket before
  if (!accepted) {
    item->sent = false;
    again_at_ = Clock::now() + kPause;
    return;
  }
  const std::uint64_t share = index % rhythm_.channels;
  const std::uint64_t number = index / rhythm_.channels + 1;
  auto& acked = acked_[share];
  if (number >= acked.size()) acked.resize(std::max<std::size_t>(number + 1, acked.size() * 2));
  acked[number] = true;
  if (history_ != nullptr) {
    const auto from = frame.find("\"position\":") + 11;
    history_->acknowledged(channel(share), channel(share) + "#" + std::to_string(number),
                           frame.substr(from, frame.find('}', from) + 1 - from));
  }
  waiting_.erase(item);
}

void Announcer::ended(Leg& leg) {
  if (&leg != current_ && &leg != next_) return;
  if (!leg.closing().ticket.empty()) ticket_ = leg.closing().ticket;
  (&leg == current_ ? current_ : next_) = nullptr;
  if (current_ != nullptr) return;
  ++turn_;
  dial_at_ = Clock::now() + kPause;
}

}  // namespace tocsin::loadgen::roam
