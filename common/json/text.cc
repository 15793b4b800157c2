// Writing JSON text, and the check for UTF-8.
#include "common/json/json.h"

#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace tocsin::json {
namespace {

// NOLINTBEGIN(readability-identifier-naming): the names that RapidJSON calls
/// RapidJSON's output stream over a std::string.
struct StringSink {
  using Ch = char;
  std::string& out;
  void Put(char c) { out.push_back(c); }
  void Flush() {}
};
// NOLINTEND(readability-identifier-naming)

/// True for the bytes that do not stand for themselves inside a JSON string.
constexpr auto kEscaped = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = true;
  table['"'] = table['\\'] = true;
  return table;
}();

void append_escaped(std::string& out, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto u = static_cast<unsigned char>(c);
  switch (c) {
    case '"':
      out.append("\\\"");
      break;
    case '\\':
      out.append("\\\\");
      break;
    case '\n':
      out.append("\\n");
      break;
    case '\r':
      out.append("\\r");
      break;
    case '\t':
      out.append("\\t");
      break;
    default:
      out.append("\\u00").append({kHex[u >> 4U], kHex[u & 15U]});
      break;
  }
}

void append_number(std::string& out, const Value& v) {
  if (v.IsDouble()) {
    StringSink sink{out};
    rapidjson::Writer<StringSink>(sink).Double(v.GetDouble());
    return;
  }
  std::array<char, 24> digits;
  char* const last = digits.data() + digits.size();
  out.append(digits.data(), v.IsUint64() ? std::to_chars(digits.data(), last, v.GetUint64()).ptr
                                         : std::to_chars(digits.data(), last, v.GetInt64()).ptr);
}

/// How many bytes from `p` on are ASCII, looked at eight at a time.
std::size_t ascii_run(const unsigned char* p, const unsigned char* end) noexcept {
  const unsigned char* const start = p;
  for (std::uint64_t eight = 0; end - p >= 8; p += 8) {
    std::memcpy(&eight, p, sizeof eight);
    if ((eight & 0x8080808080808080ULL) != 0) break;
  }
  while (p < end && *p < 0x80) ++p;
  return static_cast<std::size_t>(p - start);
}

/// Length of the well-formed sequence of several bytes at `p`, 0 when there is none. Table 3-7 of the Unicode
/// standard: the first byte gives the length and the range of the second.
std::size_t sequence_length(const unsigned char* p, const unsigned char* end) noexcept {
  struct Row {
    unsigned char first, last, low, high;
    std::size_t length;
  };
  constexpr std::array<Row, 8> kRows{{{0xC2, 0xDF, 0x80, 0xBF, 2},
                                      {0xE0, 0xE0, 0xA0, 0xBF, 3},
                                      {0xE1, 0xEC, 0x80, 0xBF, 3},
                                      {0xED, 0xED, 0x80, 0x9F, 3},
                                      {0xEE, 0xEF, 0x80, 0xBF, 3},
                                      {0xF0, 0xF0, 0x90, 0xBF, 4},
                                      {0xF1, 0xF3, 0x80, 0xBF, 4},
                                      {0xF4, 0xF4, 0x80, 0x8F, 4}}};
  const auto row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& r) { return *p >= r.first && *p <= r.last; });
  if (row == kRows.end() || static_cast<std::size_t>(end - p) < row->length) return 0;
  if (p[1] < row->low || p[1] > row->high) return 0;
  const auto continues = [](unsigned char c) { return c >= 0x80 && c <= 0xBF; };
  return std::all_of(p + 2, p + row->length, continues) ? row->length : 0;
}

}  // namespace

std::string text(const Value& v) {
  std::string out;
  append_text(out, v);
  return out;
}

void append_text(std::string& out, const Value& v) {
  switch (v.GetType()) {
    case rapidjson::kNullType:
      out.append("null");
      break;
    case rapidjson::kFalseType:
      out.append("false");
      break;
    case rapidjson::kTrueType:
      out.append("true");
      break;
    case rapidjson::kNumberType:
      append_number(out, v);
      break;
    case rapidjson::kStringType:
      append_quoted(out, view(v));
      break;
    case rapidjson::kArrayType: {
      out.push_back('[');
      for (const Value* at = v.Begin(); at != v.End(); ++at) {
        if (at != v.Begin()) out.push_back(',');
        append_text(out, *at);
      }
      out.push_back(']');
      break;
    }
    case rapidjson::kObjectType: {
      out.push_back('{');
      for (auto at = v.MemberBegin(); at != v.MemberEnd(); ++at) {
        if (at != v.MemberBegin()) out.push_back(',');
        append_quoted(out, view(at->name));
        out.push_back(':');
        append_text(out, at->value);
      }
      out.push_back('}');
      break;
    }
  }
}

void append_quoted(std::string& out, std::string_view s) {
  out.push_back('"');
  std::size_t from = 0;
  for (std::size_t at = 0; at < s.size(); ++at) {
    if (!kEscaped[static_cast<unsigned char>(s[at])]) continue;
    out.append(s.substr(from, at - from));
    append_escaped(out, s[at]);
    from = at + 1;
  }
  out.append(s.substr(from)).push_back('"');
}

std::string quoted(std::string_view s) {
  std::string out;
  append_quoted(out, s);
  return out;
}

std::size_t utf8_prefix(std::string_view s) noexcept {
  const auto* const start = reinterpret_cast<const unsigned char*>(s.data());
  const auto* const end = start + s.size();
  for (const auto* p = start;;) {
    p += ascii_run(p, end);
    const std::size_t length = p < end ? sequence_length(p, end) : 0;
    if (length == 0) return static_cast<std::size_t>(p - start);
    p += length;
  }
}

}  // namespace tocsin::json
