#pragma once
// View: a subscription's filter as the protocol states it, evaluated by the checker's own few lines: plain
// comparison of texts, no index, no canonical form shared with the edge. Values; any thread.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "common/json/json.h"
#include "tests/checker/content.h"

namespace tocsin::checker {

enum class Answer3 : std::uint8_t { no, yes, unknown };

class View {
 public:
  /// Members of unexpected types restrict nothing: refusing them is the edge's business.
  /// `rows`: labels that an incident must have besides (FORMAT 2.10); null: none.
  explicit View(const json::Value* filter, const json::Value* rows = nullptr);
  View() : View(nullptr) {}

  [[nodiscard]] bool everything() const noexcept {
    return !active_ && members_.empty() && keys_.empty() && labels_.empty() && rows_.empty();
  }
  [[nodiscard]] bool active() const noexcept { return active_; }
  /// Does an update pass? `ends`: did it end its incident.
  [[nodiscard]] Answer3 passes(const Traits& traits, const std::string& key, Answer3 ends) const;
  /// Does a row of current state belong to a snapshot?
  [[nodiscard]] bool holds(const Traits& traits, const std::string& key) const;
  [[nodiscard]] const std::string& identity() const noexcept { return identity_; }

 private:
  [[nodiscard]] bool lists_pass(const Traits& traits, const std::string& key, bool with_kind) const;
  std::map<std::string, std::set<std::string, std::less<>>> members_;
  std::map<std::string, std::set<std::string, std::less<>>> labels_;
  std::map<std::string, std::set<std::string, std::less<>>> rows_;  ///< an empty set lets nothing pass
  std::set<std::string, std::less<>> keys_;
  bool active_ = false;
  std::string identity_;
};

}  // namespace tocsin::checker
