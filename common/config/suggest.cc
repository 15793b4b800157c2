#include "common/config/suggest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace tocsin::config {
namespace {

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t swap = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, swap}));
    }
  }
  return row.back();
}

}  // namespace

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  constexpr std::size_t kLongestWord = 200;  // the distance is quadratic
  if (word.size() > kLongestWord) return {};
  const std::string* best = nullptr;
  std::size_t best_distance = word.size() / 3 + 2;  // a third of the letters wrong is another word
  for (const auto& candidate : known) {
    // The last segment alone, or a missing section, is the commonest slip of all.
    const bool tail = candidate.size() > word.size() && candidate.ends_with(word) &&
                      candidate[candidate.size() - word.size() - 1] == '.';
    const std::size_t d = tail ? 0 : distance(word, candidate);
    if (d >= best_distance) continue;
    best = &candidate;
    best_distance = d;
  }
  return best == nullptr ? std::string{} : "; did you mean " + *best + "?";
}

}  // namespace tocsin::config
