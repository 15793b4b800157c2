#include "common/json/raw_object.h"

#include <algorithm>

namespace tocsin::json {
namespace {

constexpr std::size_t kBroken = std::string_view::npos;
constexpr std::size_t kUsualMembers = 24;

/// The place behind the string that begins with the quote at `at`.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return kBroken;
}

/// The place behind the value at `at`.
std::size_t end_of_value(std::string_view text, std::size_t at) {
  std::size_t depth = 0;
  const std::size_t start = at;
  while (at < text.size()) {
    switch (text[at]) {
      case '"':
        at = end_of_string(text, at);
        if (at == kBroken) return kBroken;
        break;
      case '{':
      case '[':
        ++depth, ++at;
        break;
      case '}':
      case ']':
        if (depth == 0) return at > start ? at : kBroken;
        --depth, ++at;
        break;
      case ',':
        if (depth == 0) return at > start ? at : kBroken;
        ++at;
        break;
      default:
        ++at;
        continue;
    }
    if (depth == 0) return at;
  }
  return kBroken;
}

}  // namespace

std::optional<RawObject> split_object(std::string_view text) {
  RawObject out;
  if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
  if (text.size() == 2) return out;
  out.reserve(kUsualMembers);
  for (std::size_t at = 1;;) {
    if (at >= text.size() || text[at] != '"') return std::nullopt;
    const std::size_t name_end = end_of_string(text, at);
    if (name_end == kBroken || name_end >= text.size() || text[name_end] != ':') return std::nullopt;
    const std::size_t value_end = end_of_value(text, name_end + 1);
    if (value_end == kBroken || value_end >= text.size()) return std::nullopt;
    out.push_back(
        {text.substr(at + 1, name_end - at - 2), text.substr(name_end + 1, value_end - name_end - 1)});
    if (text[value_end] == '}')
      return value_end + 1 == text.size() ? std::optional(std::move(out)) : std::nullopt;
    if (text[value_end] != ',') return std::nullopt;
    at = value_end + 1;
  }
}

RawMember* find(RawObject& object, std::string_view name) noexcept {
  const auto at =
      std::find_if(object.begin(), object.end(), [name](const RawMember& m) { return m.name == name; });
  return at != object.end() ? &*at : nullptr;
}

void append_object(std::string& out, const RawObject& object) {
  out.push_back('{');
  for (const RawMember& m : object) {
    if (&m != &object.front()) out.push_back(',');
    out.append("\"").append(m.name).append("\":").append(m.value);
  }
  out.push_back('}');
}

}  // namespace tocsin::json
