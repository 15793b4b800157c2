#include "common/json/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace tocsin::json {
namespace {

/// True when `s` holds an encoded surrogate half. RapidJSON checks the input's UTF-8, yet writes the escape
/// of a lone low half ("\ude00") as such bytes, and those would break the frames of every subscriber.
bool has_surrogate(std::string_view s) noexcept {
  for (std::size_t at = s.find('\xed'); at != std::string_view::npos; at = s.find('\xed', at + 1))
    if (at + 1 < s.size() && static_cast<unsigned char>(s[at + 1]) >= 0xa0U) return true;
  return false;
}

// NOLINTBEGIN(readability-identifier-naming): the names that RapidJSON calls
/// Forwards SAX events to a Document; stops at kMaxDepth, before the recursion of later passes can hurt, and
/// at what RapidJSON takes but cannot write again: a lone surrogate, a number beyond a double.
class Guard {
 public:
  explicit Guard(Document& d) : d_(d) {}
  bool Null() { return d_.Null(); }
  bool Bool(bool b) { return d_.Bool(b); }
  bool Int(int i) { return d_.Int(i); }
  bool Uint(unsigned i) { return d_.Uint(i); }
  bool Int64(std::int64_t i) { return d_.Int64(i); }
  bool Uint64(std::uint64_t i) { return d_.Uint64(i); }
  bool Double(double x) { return d_.Double(x); }
  bool RawNumber(const char* s, rapidjson::SizeType n, bool) { return number({s, n}); }
  bool String(const char* s, rapidjson::SizeType n, bool copy) {
    return whole({s, n}) && d_.String(s, n, copy);
  }
  bool Key(const char* s, rapidjson::SizeType n, bool copy) { return whole({s, n}) && d_.Key(s, n, copy); }
  bool StartObject() { return ++depth_ <= kMaxDepth && d_.StartObject(); }
  bool EndObject(rapidjson::SizeType n) { return --depth_, d_.EndObject(n); }
  bool StartArray() { return ++depth_ <= kMaxDepth && d_.StartArray(); }
  bool EndArray(rapidjson::SizeType n) { return --depth_, d_.EndArray(n); }
  [[nodiscard]] bool too_deep() const { return depth_ > kMaxDepth; }
  /// Why it stopped at a value, or nullptr.
  [[nodiscard]] const char* objection() const { return objection_; }

 private:
  bool whole(std::string_view s) {
    if (has_surrogate(s)) objection_ = "JSON string with half a surrogate pair";
    return objection_ == nullptr;
  }
  /// RapidJSON's own conversion of decimals is off in the last digit, or (full precision, 1.1.0) wraps beyond
  /// 1e308.
  bool number(std::string_view s) {
    const char* end = s.data() + s.size();
    if (std::uint64_t u{}; std::from_chars(s.data(), end, u).ptr == end) return d_.Uint64(u);
    if (std::int64_t i{}; std::from_chars(s.data(), end, i).ptr == end && i != 0) return d_.Int64(i);
    double x{};
    if (std::from_chars(s.data(), end, x).ec != std::errc{}) x = std::strtod(std::string(s).c_str(), nullptr);
    if (std::isfinite(x)) return d_.Double(x);
    objection_ = "JSON number too large";
    return false;
  }

  Document& d_;
  std::size_t depth_ = 0;
  const char* objection_ = nullptr;
};
// NOLINTEND(readability-identifier-naming)

struct Generator {
  std::string_view text;
  rapidjson::ParseResult result;
  bool too_deep = false;
  const char* objection = nullptr;
  std::size_t consumed = 0;
  bool operator()(Document& d) {
    rapidjson::MemoryStream raw(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> in(raw);
    rapidjson::Reader reader;
    Guard guard(d);
    result =
        reader.Parse<rapidjson::kParseNumbersAsStringsFlag>(in, guard);  // the guard bounds its recursion
    too_deep = guard.too_deep();
    objection = guard.objection();
    consumed = in.Tell();
    return !result.IsError();
  }
};

}  // namespace

Result<Document> parse(std::string_view text) {
  // In one pass before RapidJSON, which would check letter by letter.
  if (const std::size_t whole = utf8_prefix(text); whole < text.size())
    return Error{Errc::invalid_argument, "JSON at byte " + std::to_string(whole) + ": not UTF-8"};
  Document doc;
  Generator generator{.text = text, .result = {}};
  doc.Populate(generator);
  if (generator.too_deep)
    return Error{Errc::invalid_argument, "JSON nests deeper than " + std::to_string(kMaxDepth)};
  if (generator.objection != nullptr) return Error{Errc::invalid_argument, generator.objection};
  if (generator.result.IsError())
    return Error{Errc::invalid_argument, std::string("JSON at byte ") +
                                             std::to_string(generator.result.Offset()) + ": " +
                                             rapidjson::GetParseError_En(generator.result.Code())};
  if (generator.consumed != text.size())  // RapidJSON takes a NUL byte for the end of the text
    return Error{Errc::invalid_argument,
                 "JSON at byte " + std::to_string(generator.consumed) + ": a NUL byte"};
  return doc;
}

const Value* find(const Value& object, std::string_view name) noexcept {
  if (!object.IsObject()) return nullptr;
  for (const auto& m : object.GetObject())
    if (view(m.name) == name) return &m.value;
  return nullptr;
}

Result<std::optional<std::string_view>> string_member(const Value& object, std::string_view name) {
  const Value* v = find(object, name);
  if (v == nullptr || v->IsNull()) return std::optional<std::string_view>{};
  if (!v->IsString()) return Error{Errc::invalid_argument, "\"" + std::string(name) + "\" must be a string"};
  return std::optional<std::string_view>{view(*v)};
}

Result<std::optional<std::uint64_t>> uint_member(const Value& object, std::string_view name) {
  const Value* v = find(object, name);
  if (v == nullptr || v->IsNull()) return std::optional<std::uint64_t>{};
  if (!v->IsUint64())
    return Error{Errc::invalid_argument, "\"" + std::string(name) + "\" must be a whole number from 0"};
  return std::optional<std::uint64_t>{v->GetUint64()};
}

Result<std::optional<bool>> bool_member(const Value& object, std::string_view name) {
  const Value* v = find(object, name);
  if (v == nullptr || v->IsNull()) return std::optional<bool>{};
  if (!v->IsBool())
    return Error{Errc::invalid_argument, "\"" + std::string(name) + "\" must be true or false"};
  return std::optional<bool>{v->GetBool()};
}

}  // namespace tocsin::json
