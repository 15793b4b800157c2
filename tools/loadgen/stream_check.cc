#include "tools/loadgen/stream_check.h"

#include <algorithm>
#include <charconv>

namespace tocsin::loadgen {

std::uint64_t number_member(std::string_view frame, std::string_view quoted_name, std::uint64_t otherwise) {
  const auto at = frame.find(quoted_name);
  if (at == std::string_view::npos || at + quoted_name.size() + 1 >= frame.size()) return otherwise;
  std::uint64_t v = otherwise;
  std::from_chars(frame.data() + at + quoted_name.size() + 1, frame.data() + frame.size(), v);
  return v;
}

std::string_view type_of(std::string_view frame) {
  constexpr std::string_view kType = "\"type\":\"";
  const auto at = frame.find(kType);
  if (at == std::string_view::npos) return {};
  const auto rest = frame.substr(at + kType.size());
  return rest.substr(0, rest.find('"'));
}

void StreamCheck::advance(std::uint64_t from, std::uint64_t to, Totals& totals) {
  if (from > position_ + 1) totals.gaps += from - position_ - 1;
  if (from <= position_) totals.duplicates += std::min(to, position_) - from + 1;
  position_ = std::max(position_, to);
}

std::uint64_t StreamCheck::take_sequence(std::string_view payload, Totals& totals) {
  const auto n = number_member(payload, "\"n\"", 0);
  if (n == 0) return 0;
  ++totals.updates;
  if (position_ == 0) position_ = n - 1;
  advance(n, n, totals);
  return n;
}

std::uint64_t StreamCheck::take(std::string_view frame, Totals& totals) {
  const auto type = type_of(frame);
  if (type == "update") {
    const auto offset = number_member(frame, "\"offset\"", 0);
    ++totals.updates;
    // A conflated update stands for everything up to it: the edge sends them oldest first.
    if (frame.find("\"replaces\":[") != std::string_view::npos) {
      ++totals.conflated;
      position_ = std::max(position_, offset);
      return offset;
    }
    advance(offset, offset, totals);
    return offset;
  }
  if (type == "skip") {
    const auto from = number_member(frame, "\"from\"", 0);
    const auto to = number_member(frame, "\"to\"", 0);
    totals.skipped += to - from + 1;
    advance(from, to, totals);
  } else if (type == "subscribed") {
    if (subscribed_ && frame.find("\"outcome\":\"lost\"") != std::string_view::npos) ++totals.lost;
    position_ = number_member(frame, "\"offset\"", 0);
    subscribed_ = true;
  } else if (type == "error") {
    ++totals.errors;
  }
  return 0;
}

}  // namespace tocsin::loadgen
