#include "tools/loadgen/roam/tally.h"

#include <algorithm>

namespace tocsin::loadgen::roam {
namespace {

constexpr std::chrono::milliseconds kBin{100};

}  // namespace

void Attempts::record(Clock::time_point now) {
  if (total_++ == 0) first_ = now;
  const auto bin = static_cast<std::size_t>((now - first_) / kBin);
  if (bin >= bins_.size()) bins_.resize(bin + 1);
  ++bins_[bin];
}

double Attempts::peak() const {
  return bins_.empty() ? 0 : 10.0 * *std::max_element(bins_.begin(), bins_.end());
}

double Attempts::mean() const {
  return bins_.empty() ? 0 : 10.0 * static_cast<double>(total_) / static_cast<double>(bins_.size());
}

}  // namespace tocsin::loadgen::roam
