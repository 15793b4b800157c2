#pragma once
// What every process tells of its logs: lines by category, and what did not get written. Read at the scrape.
#include "common/log/log.h"
#include "common/metrics/metrics.h"

namespace tocsin::log {

class LogMetrics {
 public:
  explicit LogMetrics(metrics::Registry& registry);

 private:
  metrics::SampledFamily lines_;
  metrics::SampledFamily audits_;
  metrics::Sampled sampled_;
  metrics::Sampled dropped_;
  metrics::Sampled failed_;
  metrics::Sampled syslog_lost_;
  metrics::Sampled audit_lost_;
};

}  // namespace tocsin::log
