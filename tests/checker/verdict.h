#pragma once
// Verdict: what the checker found. Counts every violation, keeps the first few with their explanation.
// Thread: one.
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tocsin::checker {

struct Violation {
  std::string clause;  ///< the name in FORMAT.md, section 3
  std::string text;
  std::uint64_t line = 0;  ///< of the history; 0: found at the end
};

struct Verdict {
  std::vector<Violation> first;
  std::map<std::string, std::uint64_t> by_clause;
  std::uint64_t violations = 0;
  std::uint64_t lines = 0;
  std::uint64_t clients = 0;
  std::uint64_t sockets = 0;
  std::uint64_t updates = 0;  ///< frames delivered
  std::uint64_t skipped = 0;  ///< positions declared skipped, over all clients
  std::uint64_t replaced = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t resumed = 0;
  std::uint64_t lost = 0;
  std::uint64_t positions = 0;  ///< distinct positions seen by anyone
  std::uint64_t acked = 0;
  std::uint64_t unobserved = 0;  ///< acknowledged, but no client could have seen it

  [[nodiscard]] bool holds() const noexcept { return violations == 0; }
  [[nodiscard]] bool has(std::string_view clause) const { return by_clause.contains(std::string(clause)); }
};

/// Collects violations while the history is read.
class Findings {
 public:
  explicit Findings(std::size_t keep) : keep_(keep) {}
  void at_line(std::uint64_t line) noexcept { line_ = line; }
  void report(std::string_view clause, std::string text);
  [[nodiscard]] Verdict& verdict() noexcept { return verdict_; }

 private:
  Verdict verdict_;
  std::size_t keep_;
  std::uint64_t line_ = 0;
};

[[nodiscard]] std::string to_text(const Verdict& verdict);
[[nodiscard]] std::string to_json(const Verdict& verdict);

}  // namespace tocsin::checker
