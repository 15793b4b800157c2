#pragma once
// Watch: what an edge tells of itself to those who look: its traffic to the broker, its counts under other
// systems' names, its traces to a collector.
//
// Thread: the loop. Told to stop before the loop ends.
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/clock.h"
#include "common/log/metrics.h"
#include "common/trace/exporter.h"
#include "edge/config.h"
#include "edge/monitoring/channel_labels.h"
#include "edge/monitoring/profiles.h"
#include "edge/monitoring/recent_histogram.h"
#include "edge/monitoring/traffic_meter.h"

namespace tocsin::edge {

class EdgeLink;
class Gateway;
class LoadMeter;

class Watch {
 public:
  Watch(const Config& config, const Clock& clock, Metrics& metrics)
      : config_(config),
        clock_(clock),
        metrics_(metrics),
        logs_(metrics.registry),
        traces_(metrics.registry),
        traffic_(metrics) {}

  /// Begins with traces when they are wanted. Fails with invalid_argument: metrics.profile, trace.endpoint.
  [[nodiscard]] Status start(loop::Loop& loop, Gateway& gateway, EdgeLink& link);
  void stop() noexcept { exporter_.reset(); }

  /// Each tick: what the next heartbeat says.
  [[nodiscard]] link::Traffic traffic(const Lifetimes& lifetimes);
  [[nodiscard]] Result<Exposition> exposition(std::string_view profiles, const LoadMeter& load);

 private:
  const Config& config_;
  const Clock& clock_;
  Metrics& metrics_;
  log::LogMetrics logs_;
  trace::Metrics traces_;
  TrafficMeter traffic_;
  RecentHistogram latency_;
  ChannelLabels labels_;
  const Gateway* gateway_ = nullptr;  ///< from start() on
  std::int64_t second_ = 0;
  std::uint64_t day_ = 0;  ///< local_day(), looked up once a second
  const Instant started_ = clock_.steady();
  std::unique_ptr<trace::Exporter> exporter_;  ///< null: no traces
};

}  // namespace tocsin::edge
