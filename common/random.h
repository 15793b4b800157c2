#pragma once
// Random: where the state machines get unpredictable numbers from. Real processes use the operating system's
// source, the simulation a seeded one, so that a run can be repeated.
#include <cstddef>
#include <cstdint>
#include <string>

namespace tocsin {

class Random {
 public:
  virtual ~Random() = default;
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;

  [[nodiscard]] virtual std::uint64_t u64() = 0;

 protected:
  Random() = default;
};

/// getrandom(2), read in blocks. Fit for ids and tickets; aborts the process if the system has no randomness,
/// for a guessable id would be worse. Not thread-safe: one object per thread.
class SystemRandom final : public Random {
 public:
  [[nodiscard]] std::uint64_t u64() override;

 private:
  static constexpr std::size_t kBlock = 32;
  std::uint64_t block_[kBlock]{};
  std::size_t used_ = kBlock;
};

/// `digits` lower-case hexadecimal digits (32 of them are a session id).
[[nodiscard]] std::string hex_id(Random& random, std::size_t digits);

}  // namespace tocsin
