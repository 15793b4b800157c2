#pragma once
// Checker: reads a history line by line (FORMAT.md) and decides whether the promise held.
// Thread: one.
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"
#include "tests/checker/verdict.h"

namespace tocsin::checker {

class Checker {
 public:
  /// `keep`: how many violations are explained; all are counted.
  explicit Checker(std::size_t keep = 20);
  ~Checker();
  Checker(const Checker&) = delete;
  Checker& operator=(const Checker&) = delete;

  /// Fails with invalid_argument when the line is no history line; nothing is changed then. Empty lines are
  /// ignored.
  Status line(std::string_view line);
  /// Judges what needed the whole history. Call once, last.
  Verdict finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::checker
