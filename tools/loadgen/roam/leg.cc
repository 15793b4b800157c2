#include "tools/loadgen/roam/leg.h"

#include "tools/loadgen/stream_check.h"

namespace tocsin::loadgen::roam {

Leg::Leg(std::uint32_t id, const Wire& wire, LegOwner& owner, Name name, History* history)
    : owner_(owner),
      name_(name),
      history_(history),
      socket_(id, wire, [this](Connection&, std::string_view frame) { on_frame(frame); }),
      heard_(Clock::now()),
      dialled_(heard_) {}

Leg::~Leg() {
  if (history_ != nullptr) history_->closed(name_);
}

void Leg::say(std::string_view frame) {
  if (history_ != nullptr) history_->sent(name_, frame);
  socket_.send(1, frame);
}

bool Leg::dial(const Target& target, std::string hello, const std::string& source) {
  if (!socket_.start(target, {"/v1/stream", "tocsin.v1.json"}, source)) return false;
  if (history_ != nullptr) history_->opened(name_);
  say(hello);
  return true;
}

void Leg::on_told(std::uint64_t from, std::uint64_t to, std::string_view frame) {
  if (from != at_ + 1 || to < from) ++broken_;
  at_ = to;
  owner_.told(*this, from, to, frame);
}

void Leg::on_frame(std::string_view frame) {
  heard_ = Clock::now();
  if (history_ != nullptr) history_->received(name_, frame);
  const auto type = type_of(frame);
  if (type == "update") {
    const auto offset = number_member(frame, "\"offset\"", 0);
    on_told(offset, offset, frame);
  } else if (type == "skip") {
    on_told(number_member(frame, "\"from\"", 0), number_member(frame, "\"to\"", 0), {});
  } else if (type == "published") {
    owner_.answered(*this, frame, true);
  } else if (type == "welcome") {
    state_ = State::welcomed;
    edge_ = text_member(frame, "\"edge\"");
    ticket_ = text_member(frame, "\"ticket\"");
    closing_.retry_after_ms = signed_member(frame, "\"retry_after_ms\"", -1);
    owner_.welcomed(*this, true_member(frame, "\"resumed\""));
  } else if (type == "subscribed") {
    state_ = State::streaming;
    const Position at{std::string(text_member(frame, "\"epoch\"")), number_member(frame, "\"offset\"", 0)};
    at_ = at.offset;
    owner_.subscribed(*this, at, text_member(frame, "\"outcome\""));
  } else if (type == "status") {
    if (const auto offer = migration_of(frame)) owner_.migrating(*this, *offer);
  } else if (type == "closing") {
    closing_ = {.said = true,
                .retry_after_ms = signed_member(frame, "\"retry_after_ms\"", -1),
                .ticket = std::string(text_member(frame, "\"ticket\""))};
  } else if (type == "error") {
    if (text_member(frame, "\"ref\"").empty())
      owner_.refused(*this, frame);
    else
      owner_.answered(*this, frame, false);
  }
}

}  // namespace tocsin::loadgen::roam
