#pragma once
// Histogram: latencies in microseconds with 1/64 relative precision over 1 us .. ~1 hour, in fixed memory.
// The layout (a power of two split into linear sub-buckets) is HdrHistogram's (Gil Tene, hdrhistogram.org).
//
// Thread: one.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tocsin::loadgen {

class Histogram {
 public:
  void record(std::uint64_t micros, std::uint64_t times = 1) noexcept {
    counts_[index(micros)] += times;
    total_ += times;
    if (micros > max_) max_ = micros;
  }

  /// Smallest recorded bucket bound below which `fraction` (0..1) of the samples lie; 0 when empty.
  [[nodiscard]] std::uint64_t quantile(double fraction) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (counts_[i] > 0 && seen >= wanted) return upper(i) < max_ ? upper(i) : max_;
    }
    return max_;
  }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

 private:
  static constexpr unsigned kSubBits = 6;  // 64 linear steps per power of two
  static constexpr std::size_t kSub = std::size_t{1} << kSubBits;

  static std::size_t index(std::uint64_t v) noexcept {
    if (v < kSub) return static_cast<std::size_t>(v);
    const auto shift = static_cast<unsigned>(std::bit_width(v)) - kSubBits - 1;
    const std::size_t i = (std::size_t{shift} + 1) * kSub + static_cast<std::size_t>((v >> shift) - kSub);
    return i < kBuckets ? i : kBuckets - 1;
  }
  static std::uint64_t upper(std::size_t i) noexcept {
    if (i < kSub) return i;
    const std::size_t shift = i / kSub - 1;
    return ((std::uint64_t{i % kSub} + kSub + 1) << shift) - 1;
  }

  static constexpr std::size_t kBuckets = kSub * 28;
  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace tocsin::loadgen
