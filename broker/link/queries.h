#pragma once
// Queries: what peers read - history, current incidents, channels - answered from committed data at once.
//
// Every page is bounded in count and bytes, so that a reader costs the loop little; who wants more asks
// again. Thread: the loop.
#include "broker/config.h"
#include "broker/log/log_store.h"
#include "broker/metrics.h"
#include "broker/seq/channels.h"
#include "proto/link_message.h"

namespace tocsin::broker {

class Queries {
 public:
  Queries(const Config& config, const LogStore& store, Channels& channels, Metrics& metrics)
      : config_(config), store_(store), channels_(channels), metrics_(metrics) {}

  /// position_lost with the reason as detail: epoch_changed, too_old, future. The answer always carries the
  /// head.
  [[nodiscard]] link::ReadResult read(const link::Read& query) const;
  [[nodiscard]] link::IncidentsPage list(const link::ListIncidents& query) const;
  /// Looks in the channel named, or in `incidents` and then the others.
  [[nodiscard]] link::IncidentsPage get(const link::GetIncident& query) const;
  [[nodiscard]] link::ChannelInfo channel(const link::GetChannel& query) const;

 private:
  const Config& config_;
  const LogStore& store_;
  Channels& channels_;
  Metrics& metrics_;
};

}  // namespace tocsin::broker
