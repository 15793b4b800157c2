#pragma once
// What a process tells of its traces, whether or not it makes any. See common/metrics/metrics.h.
#include "common/metrics/metrics.h"

namespace tocsin::trace {

struct Metrics {
  explicit Metrics(metrics::Registry& registry)
      : requests(registry, "tocsin_trace_requests_total", "Requests with spans to the collector, by outcome.",
                 "outcome", {"taken", "failed"}) {}
  metrics::CounterFamily requests;
};

}  // namespace tocsin::trace
