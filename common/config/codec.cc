#include "common/config/codec.h"

namespace tocsin::config {
namespace {

bool inside(std::size_t n, Range r) noexcept {
  const auto v = static_cast<std::int64_t>(n);
  return v >= r.min && v <= r.max;
}

}  // namespace

Error refused(std::string_view what, std::string_view text) {
  return Error{Errc::invalid_argument,
               std::string("must be ").append(what).append(", not \"").append(text).append("\"")};
}

std::string range_text(Range range) {
  const bool low = range.min != INT64_MIN;
  const bool high = range.max != INT64_MAX;
  if (low && high) return "from " + std::to_string(range.min) + " to " + std::to_string(range.max);
  if (low) return "at least " + std::to_string(range.min);
  if (high) return "at most " + std::to_string(range.max);
  return {};
}

Result<std::int64_t> Codec<std::int64_t>::parse(std::string_view s, Range r) {
  std::int64_t v{};
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), v);
  if (ec == std::errc::result_out_of_range) return refused("a number of 64 bits", s);
  if (ec != std::errc{} || end != s.data() + s.size()) return refused("a whole number", s);
  if (v < r.min || v > r.max)
    return Error{Errc::invalid_argument, "must be " + range_text(r) + ", not " + std::string{s}};
  return v;
}

Result<bool> Codec<bool>::parse(std::string_view s, Range) {
  if (s == "true") return true;
  if (s == "false") return false;
  return refused("true or false", s);
}

Result<std::string> Codec<std::string>::parse(std::string_view s, Range r) {
  if (!inside(s.size(), r)) return refused("text with a length " + range_text(r), s);
  return std::string{s};
}

Result<std::vector<std::string>> Codec<std::vector<std::string>>::parse(std::string_view s, Range r) {
  std::vector<std::string> out;
  while (!s.empty()) {
    const auto comma = s.find(',');
    if (comma == 0) return refused("a list without empty items", s);
    out.emplace_back(s.substr(0, comma));
    if (comma == std::string_view::npos) break;
    s.remove_prefix(comma + 1);
    if (s.empty()) return refused("a list without empty items", out.back() + ",");
  }
  if (!inside(out.size(), r)) return refused("a list with a length " + range_text(r), print(out));
  return out;
}

std::string Codec<std::vector<std::string>>::print(const std::vector<std::string>& v) {
  std::string out;
  for (const auto& item : v) out.append(out.empty() ? "" : ",").append(item);
  return out;
}

}  // namespace tocsin::config
