#pragma once
// What every process tells of itself: version, start, memory, processor time, open files. Read from /proc at
// the scrape. Main loop's thread.
#include "common/metrics/metrics.h"

namespace tocsin::metrics {

/// Resident memory of this process.
[[nodiscard]] double resident_bytes();

class ProcessMetrics {
 public:
  explicit ProcessMetrics(Registry& registry);

 private:
  Family build_;
  Sampled start_;
  Sampled memory_;
  Sampled processor_;
  Sampled files_;
};

}  // namespace tocsin::metrics
