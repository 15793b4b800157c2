#include "tools/loadgen/stream_check.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace tocsin::loadgen {

namespace {

/// As string_view::find, which stops at every quote of a JSON text.
std::size_t find(std::string_view in, std::string_view what) {
  if (in.empty()) return std::string_view::npos;  // memmem takes no null pointer
  const void* at = ::memmem(in.data(), in.size(), what.data(), what.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - in.data());
}

}  // namespace

std::uint64_t number_member(std::string_view frame, std::string_view quoted_name, std::uint64_t otherwise) {
  const auto at = find(frame, quoted_name);
  if (at == std::string_view::npos || at + quoted_name.size() + 1 >= frame.size()) return otherwise;
  std::uint64_t v = otherwise;
  std::from_chars(frame.data() + at + quoted_name.size() + 1, frame.data() + frame.size(), v);
  return v;
}

std::string_view type_of(std::string_view frame) {
  constexpr std::string_view kType = "\"type\":\"";
  const auto at = frame.substr(1).starts_with(kType) ? 1 : find(frame, kType);
  if (at == std::string_view::npos) return {};
  const auto rest = frame.substr(at + kType.size());
  return rest.substr(0, rest.find('"'));
}

/// [from, to] was told, in order. What lies before it and was not told yet is a hole.
void StreamCheck::forward(std::uint64_t from, std::uint64_t to, Totals& totals) {
  if (from > position_ + 1) holes_.emplace_back(position_ + 1, from - 1);
  if (from <= position_) totals.duplicates += std::min(to, position_) - from + 1;
  position_ = std::max(position_, to);
}

/// `offset` was told by an update that replaces it: it closes its hole, or comes twice.
void StreamCheck::fill(std::uint64_t offset, Totals& totals) {
  ++totals.conflated;
  const auto hole = std::find_if(holes_.begin(), holes_.end(), [offset](const Range& r) {
    return r.first <= offset && offset <= r.second;
  });
  if (hole == holes_.end()) {
    ++totals.duplicates;
    return;
  }
  const Range was = *hole;
  holes_.erase(hole);
  if (was.first < offset) holes_.emplace_back(was.first, offset - 1);
  if (offset < was.second) holes_.emplace_back(offset + 1, was.second);
}

void StreamCheck::finish(Totals& totals) {
  for (const auto& [from, to] : holes_) totals.gaps += to - from + 1;
  holes_.clear();
}

std::uint64_t StreamCheck::take_sequence(std::string_view payload, std::uint64_t stride, Totals& totals) {
  const auto n = number_member(payload, "\"n\"", 0);
  if (n == 0) return 0;
  ++totals.updates;
  const bool first = position_ == 0;
  if (!first && n > position_ + stride) totals.gaps += (n - position_) / stride - 1;
  if (n <= position_) ++totals.duplicates;
  position_ = std::max(position_, n);
  return 1;
}

/// `replaces` stands directly behind `offset` (PROTOCOL.md section 4): elsewhere it would be missed, and
/// count as gaps.
std::uint64_t StreamCheck::on_update(std::string_view frame, Totals& totals) {
  constexpr std::string_view kOffset = "\"offset\":";
  constexpr std::string_view kReplaces = ",\"replaces\":[";
  constexpr std::size_t kUsually = 48;  // {"type":"update","sub":7,"offset":
  const char* const end = frame.data() + frame.size();
  std::uint64_t offset = 0;
  auto at = frame.substr(0, kUsually).find(kOffset, 20);
  if (at == std::string_view::npos) at = find(frame, kOffset);
  if (at == std::string_view::npos) return 0;
  const char* p = std::from_chars(frame.data() + at + kOffset.size(), end, offset).ptr;
  ++totals.updates;
  forward(offset, offset, totals);
  if (!std::string_view(p, end).starts_with(kReplaces)) return 1;
  std::uint64_t told = 1;
  for (p += kReplaces.size(); p < end && *p != ']';) {
    std::uint64_t replaced = 0;
    const auto [next, error] = std::from_chars(p, end, replaced);
    if (error != std::errc{}) break;
    fill(replaced, totals);
    ++told;
    p = next < end && *next == ',' ? next + 1 : next;
  }
  return told;
}

void StreamCheck::on_subscribed(std::string_view frame, Totals& totals) {
  const auto offset = number_member(frame, "\"offset\"", 0);
  const auto says = [frame](std::string_view outcome) {
    return frame.find(outcome) != std::string_view::npos;
  };
  finish(totals);
  if (says("\"outcome\":\"resumed\"")) {
    ++totals.resumed;
    if (subscribed_ && offset > position_) totals.gaps += offset - position_;
    if (subscribed_ && offset < position_) totals.duplicates += position_ - offset;
  } else if (says("\"outcome\":\"lost\"")) {
    ++totals.lost;
  } else if (subscribed_) {
    ++totals.restarted;
  }
  position_ = offset;
  subscribed_ = true;
}

std::uint64_t StreamCheck::take(std::string_view frame, Totals& totals) {
  const auto type = type_of(frame);
  if (type == "update") return on_update(frame, totals);
  if (type == "skip") {
    const auto from = number_member(frame, "\"from\"", 0);
    const auto to = number_member(frame, "\"to\"", 0);
    totals.skipped += to - from + 1;
    forward(from, to, totals);
  } else if (type == "subscribed") {
    on_subscribed(frame, totals);
  } else if (type == "error") {
    ++totals.errors;
  }
  return 0;
}

}  // namespace tocsin::loadgen
