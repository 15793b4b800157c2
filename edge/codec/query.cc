#include "edge/codec/query.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/json/json.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kMaxMembers = 64;

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_values(json::Value& list, std::string_view values, json::Document& doc) {
  while (!values.empty()) {
    const auto comma = std::min(values.find(','), values.size());
    if (comma > 0)
      list.PushBack(json::Value(values.data(), static_cast<rapidjson::SizeType>(comma), doc.GetAllocator()),
                    doc.GetAllocator());
    values.remove_prefix(std::min(comma + 1, values.size()));
  }
}

json::Value& list_in(json::Value& object, std::string_view name, json::Document& doc) {
  json::Value key(name.data(), static_cast<rapidjson::SizeType>(name.size()), doc.GetAllocator());
  if (const auto it = object.FindMember(key); it != object.MemberEnd()) return it->value;
  object.AddMember(key, json::Value(rapidjson::kArrayType), doc.GetAllocator());
  return (object.MemberEnd() - 1)->value;
}

Error bad_member(std::string_view name, std::string_view why) {
  return {Errc::invalid_argument, "\"" + std::string(name) + "\" " + std::string(why)};
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::space) {
      out.push_back(' ');
    } else if (text[i] != '%') {
      out.push_back(text[i]);
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    }
  }
  if (out.find('\0') != std::string::npos || !json::valid_utf8(out)) return std::nullopt;
  return out;
}

Result<Query> parse_query(std::string_view query) {
  Query out;
  while (!query.empty()) {
    const auto amp = std::min(query.find('&'), query.size());
    const auto member = query.substr(0, amp);
    query.remove_prefix(std::min(amp + 1, query.size()));
    if (member.empty()) continue;
    const auto equals = std::min(member.find('='), member.size());
    auto name = percent_decode(member.substr(0, equals), Plus::space);
    auto value = percent_decode(member.substr(std::min(equals + 1, member.size())), Plus::space);
    if (!name || !value)
      return Error{Errc::invalid_argument, "the query has a broken percent-escape or is not UTF-8"};
    if (out.size() == kMaxMembers) return Error{Errc::invalid_argument, "the query has more than 64 members"};
    out.emplace_back(*std::move(name), *std::move(value));
  }
  return out;
}

const std::string* find(const Query& query, std::string_view name) noexcept {
  for (const auto& [key, value] : query)
    if (key == name) return &value;
  return nullptr;
}

Result<bool> flag_of(const Query& query, std::string_view name) {
  const std::string* value = find(query, name);
  if (value == nullptr || *value == "false" || *value == "0") return false;
  if (value->empty() || *value == "true" || *value == "1") return true;
  return bad_member(name, "must be true or false");
}

Result<std::uint64_t> number_of(const Query& query, std::string_view name, std::uint64_t fallback) {
  const std::string* value = find(query, name);
  if (value == nullptr || value->empty()) return fallback;
  std::uint64_t number = 0;
  const auto [end, ec] = std::from_chars(value->data(), value->data() + value->size(), number);
  if (ec != std::errc{} || end != value->data() + value->size()) return bad_member(name, "must be a number");
  return number;
}

Result<Filter> filter_of(const Query& query) {
  constexpr std::array<std::string_view, 8> kLists{"severity", "status",      "kind", "category",
                                                   "source",   "environment", "team", "incident"};
  constexpr std::string_view kLabel = "label.";
  json::Document doc;
  doc.SetObject();
  json::Value labels(rapidjson::kObjectType);
  for (const auto& [name, value] : query) {
    if (std::find(kLists.begin(), kLists.end(), name) != kLists.end())
      append_values(list_in(doc, name, doc), value, doc);
    else if (name.starts_with(kLabel))
      append_values(list_in(labels, std::string_view(name).substr(kLabel.size()), doc), value, doc);
  }
  doc.AddMember("labels", labels, doc.GetAllocator());
  auto filter = Filter::parse(doc);
  if (!filter) return filter;
  const auto active = flag_of(query, "active");
  if (!active) return active.error();
  filter->active = *active;
  return filter;
}

}  // namespace tocsin::edge
