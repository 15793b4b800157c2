#pragma once
// RawObject: the members of a JSON object as pieces of its text, for who changes a few and keeps the rest:
// taking the text apart is one scan, no tree is built.
//
// Only for text that json::append_text() and append_quoted() have written: it has no blanks, and equal texts
// have equal escapes. Such text from a disk may be damaged: what does not fall into members is noticed, a
// wrong letter inside a value is not. Thread: one; the pieces live as long as the text.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::json {

struct RawMember {
  std::string_view name;   ///< as written, without its quotes
  std::string_view value;  ///< as written
};
using RawObject = std::vector<RawMember>;

/// nullopt when `text` is not one object.
[[nodiscard]] std::optional<RawObject> split_object(std::string_view text);
/// The member whose name is written as `name`, or nullptr.
[[nodiscard]] RawMember* find(RawObject& object, std::string_view name) noexcept;
/// Appends `object` as text.
void append_object(std::string& out, const RawObject& object);

}  // namespace tocsin::json
