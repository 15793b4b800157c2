#pragma once
// RecentHistogram: what a histogram counted in the last five minutes, for a rule that asks for buckets
// without rate(). Thread: the loop.
#include <cstdint>
#include <deque>
#include <utility>

#include "common/metrics/metrics.h"

namespace tocsin::edge {

class RecentHistogram {
 public:
  /// To be told at least once a minute.
  void at(std::int64_t wall_ms, const metrics::Histogram& histogram) {
    constexpr std::int64_t kMinute = 60'000;
    constexpr std::size_t kMinutes = 5;
    if (!kept_.empty() && std::exchange(minute_, wall_ms / kMinute) == wall_ms / kMinute) return;
    minute_ = wall_ms / kMinute;
    kept_.push_back(histogram.state());
    if (kept_.size() > kMinutes) kept_.pop_front();
  }
  [[nodiscard]] metrics::HistogramState read(const metrics::Histogram& histogram) const {
    metrics::HistogramState out = histogram.state();
    if (kept_.empty()) return out;
    for (std::size_t i = 0; i < out.cumulative.size(); ++i) out.cumulative[i] -= kept_.front().cumulative[i];
    out.sum -= kept_.front().sum;
    return out;
  }

 private:
  std::deque<metrics::HistogramState> kept_;
  std::int64_t minute_ = 0;
};

}  // namespace tocsin::edge
