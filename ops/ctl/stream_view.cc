#include "ops/ctl/stream_view.h"

#include <algorithm>

#include "ops/ctl/filter_args.h"

namespace tocsin::ops {
namespace {

using What = StreamView::Seen::What;

std::string_view text_of(const json::Value& object, std::string_view name) {
  const json::Value* member = json::find(object, name);
  return member != nullptr && member->IsString() ? json::view(*member) : std::string_view{};
}

std::optional<std::uint64_t> number_of(const json::Value& object, std::string_view name) {
  const json::Value* member = json::find(object, name);
  return member != nullptr && member->IsUint64() ? std::optional(member->GetUint64()) : std::nullopt;
}

StreamView::Seen not_understood() {
  return {What::refused, "the edge sent a frame that this program does not understand", 0};
}

}  // namespace

std::string StreamView::subscribe_frame() const {
  std::string out = R"({"type":"subscribe","id":"tail","channel":)" + json::quoted(wish_.channel);
  if (!wish_.filter.empty()) out += ",\"filter\":" + wish_.filter.canonical();
  if (position_)
    out += ",\"since\":{\"epoch\":\"" + to_text(position_->epoch) +
           "\",\"offset\":" + std::to_string(position_->offset) + "}";
  else if (wish_.snapshot)
    out += ",\"snapshot\":true";
  return out + "}";
}

StreamView::Seen StreamView::take(const json::Value& frame) {
  const auto type = text_of(frame, "type");
  if (type == "update") {
    const auto offset = number_of(frame, "offset");
    if (!offset || !position_) return not_understood();
    Offset first = *offset;
    // A conflated update stands for older ones of its incident as well.
    if (const json::Value* replaced = json::find(frame, "replaces");
        replaced != nullptr && replaced->IsArray())
      for (const json::Value& one : replaced->GetArray())
        if (one.IsUint64()) first = std::min(first, std::max(one.GetUint64(), position_->offset + 1));
    ++updates_;
    return advance(first, *offset, What::update);
  }
  if (type == "skip") {
    const auto from = number_of(frame, "from");
    const auto to = number_of(frame, "to");
    if (!from || !to || !position_) return not_understood();
    return advance(*from, *to, What::nothing);
  }
  if (type == "subscribed") return on_subscribed(frame);
  if (type == "snapshot") return {What::snapshot, {}, 0};
  if (type == "closing")
    return {What::closing, std::string(text_of(frame, "reason")),
            static_cast<std::uint32_t>(number_of(frame, "retry_after_ms").value_or(0))};
  if (type == "error") {
    const auto message = text_of(frame, "message");
    return {What::refused,
            std::string(text_of(frame, "code")) + (message.empty() ? "" : ": ") + std::string(message), 0};
  }
  return {};  // welcome, head, pong, and what newer edges may say
}

StreamView::Seen StreamView::on_subscribed(const json::Value& frame) {
  const json::Value* where = json::find(frame, "position");
  const auto offset = where != nullptr ? number_of(*where, "offset") : std::nullopt;
  const auto epoch = where != nullptr ? parse_epoch(text_of(*where, "epoch"))
                                      : Result<Epoch>(Error{Errc::invalid_argument, {}});
  if (!offset || !epoch) return not_understood();
  const Position now{*epoch, *offset};
  const auto outcome = text_of(frame, "outcome");
  const auto before = position_;
  if (outcome == "lost") {
    position_ = now;
    std::string text = "updates were lost (" + std::string(text_of(frame, "reason")) + ")";
    if (before) {
      text += ": nothing is known of those after " + position_text(*before) + "; going on live from " +
              position_text(now);
      if (before->epoch == now.epoch && now.offset > before->offset) lost_ += now.offset - before->offset;
    }
    return {What::gap, text, 0};
  }
  // A resumed subscription goes on behind the position asked for, whatever the head is.
  if (outcome != "resumed" || !before) position_ = now;
  return {What::subscribed, std::string(outcome) + " at " + position_text(*position_), 0};
}

StreamView::Seen StreamView::advance(Offset first, Offset last, Seen::What what) {
  const Offset expected = position_->offset + 1;
  position_->offset = std::max(position_->offset, last);
  if (first <= expected) return {what, {}, 0};
  lost_ += first - expected;
  return {What::gap,
          "a gap: updates " + std::to_string(expected) + " to " + std::to_string(first - 1) + " did not come",
          0};
}

}  // namespace tocsin::ops
