#pragma once
// JSON by RapidJSON, the one place that includes it. Reading is bounded in depth and strict about UTF-8 and
// duplicate ends of input; writing goes straight into a std::string. Pure functions, any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#define RAPIDJSON_HAS_STDSTRING 1
#include <rapidjson/document.h>

#include "common/result.h"

namespace tocsin::json {

/// RapidJSON's pool in chunks that malloc hands out from its per-thread cache; its own are 64 KiB, and cost
/// more than most texts.
struct Pool : rapidjson::MemoryPoolAllocator<> {
  static constexpr std::size_t kChunk = 1'000;
  Pool() : MemoryPoolAllocator(kChunk) {}
};

using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, rapidjson::CrtAllocator>;
using Value = Document::ValueType;

inline constexpr std::size_t kMaxDepth = 32;  ///< deeper input is refused: nobody nests an incident that far

/// Parses one JSON text. Fails with invalid_argument (bad syntax, bad UTF-8, deeper than kMaxDepth, bytes
/// after the value); the detail names the byte offset.
[[nodiscard]] Result<Document> parse(std::string_view text);

[[nodiscard]] inline std::string_view view(const Value& v) noexcept {
  return {v.GetString(), v.GetStringLength()};
}

/// The member `name` of an object, or nullptr when it is absent (or `object` is no object).
[[nodiscard]] const Value* find(const Value& object, std::string_view name) noexcept;

// Typed members. The optional is empty when the member is absent or null; a member of another type is
// invalid_argument naming it, so that a typo in a type is never mistaken for an absent member.
[[nodiscard]] Result<std::optional<std::string_view>> string_member(const Value& object,
                                                                    std::string_view name);
[[nodiscard]] Result<std::optional<std::uint64_t>> uint_member(const Value& object, std::string_view name);
[[nodiscard]] Result<std::optional<bool>> bool_member(const Value& object, std::string_view name);

/// Serialises `v` compactly.
[[nodiscard]] std::string text(const Value& v);
void append_text(std::string& out, const Value& v);

/// Appends `s` as a JSON string with its quotes. `s` must be valid UTF-8 (parsed input is).
void append_quoted(std::string& out, std::string_view s);
[[nodiscard]] std::string quoted(std::string_view s);

/// How much of `s`, from its start, is well-formed UTF-8 (no overlong forms, no surrogates).
[[nodiscard]] std::size_t utf8_prefix(std::string_view s) noexcept;
[[nodiscard]] inline bool valid_utf8(std::string_view s) noexcept { return utf8_prefix(s) == s.size(); }

}  // namespace tocsin::json
