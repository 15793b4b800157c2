#pragma once
// What the checker remembers of JSON: hashes that ignore the order of members, and the facts that filters
// look at. Pure functions, and the interning tables. Thread: one.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/json/json.h"

namespace tocsin::checker {

using Hash = std::uint64_t;

[[nodiscard]] Hash hash_text(std::string_view text);
/// Equal for equal JSON values, whatever the order of members; 0 never.
[[nodiscard]] Hash hash_value(const json::Value& value);
[[nodiscard]] Hash combine(Hash a, Hash b) noexcept;

/// A member that must be text; empty when absent or of another type.
[[nodiscard]] std::string_view text_of(const json::Value& object, std::string_view name) noexcept;
/// A member that must be a whole number; `otherwise` when absent or of another type.
[[nodiscard]] std::uint64_t number_of(const json::Value& object, std::string_view name,
                                      std::uint64_t otherwise) noexcept;
[[nodiscard]] bool flag_of(const json::Value& object, std::string_view name) noexcept;

/// Texts as small numbers.
class Names {
 public:
  std::uint32_t id(std::string_view text);
  [[nodiscard]] const std::string& text(std::uint32_t id) const { return *texts_[id]; }

 private:
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<const std::string*> texts_;
};

/// What a filter may look at, but for kind's and key's own place: most updates share few of these.
struct Traits {
  bool incident = false;
  std::map<std::string, std::string, std::less<>>
      members;  ///< severity, status, category, source, environment, team, kind
  std::map<std::string, std::string, std::less<>> labels;

  [[nodiscard]] bool over() const;  ///< resolved or closed
  [[nodiscard]] std::string identity() const;
};
/// `incident` may be null: an application event.
[[nodiscard]] Traits traits_of(std::string_view kind, const json::Value* incident);

class TraitsTable {
 public:
  std::uint32_t id(Traits traits);
  [[nodiscard]] const Traits& at(std::uint32_t id) const { return *all_[id]; }

 private:
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::vector<std::unique_ptr<const Traits>> all_;
};

}  // namespace tocsin::checker
