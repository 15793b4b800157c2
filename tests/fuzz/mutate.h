#pragma once
// Mutator: makes new inputs from old ones, the same ones for the same seed. Flips, cuts, repeats and splices
// bytes, and puts in words that decoders find hard. Owns its random numbers; one thread.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tocsin::fuzz {

class Mutator {
 public:
  /// `corpus` must not be empty and must outlive the mutator.
  Mutator(const std::vector<std::string>& corpus, std::uint64_t seed) : corpus_(corpus), state_(seed) {}

  /// The next input, at most `max_bytes` long.
  [[nodiscard]] std::string next(std::size_t max_bytes);

 private:
  std::uint64_t random();
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : static_cast<std::size_t>(random() % bound); }
  void change(std::string& input);

  const std::vector<std::string>& corpus_;
  std::uint64_t state_;
};

}  // namespace tocsin::fuzz
