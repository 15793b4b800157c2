#pragma once
// Everything the broker counts. One per process; declared before the storage thread starts.
#include "common/metrics/metrics.h"

namespace tocsin::broker {

struct Metrics {
  explicit Metrics(metrics::Registry& r) : registry(r) {}
  metrics::Registry& registry;

  metrics::Counter published{registry, "tocsin_broker_published_total",
                             "Updates committed with a new position."};
  metrics::Counter duplicates{registry, "tocsin_broker_duplicates_total",
                              "Publishes recognised by their event_id."};
  metrics::Counter duplicate_bodies{registry, "tocsin_broker_duplicate_other_body_total",
                                    "Duplicates whose content differs from the stored update."};
  metrics::Counter refused{registry, "tocsin_broker_refused_total",
                           "Publishes refused as invalid, in conflict or too large."};
  metrics::Counter overloaded{registry, "tocsin_broker_overloaded_total",
                              "Publishes refused because a window or the group was full."};
  metrics::Counter groups{registry, "tocsin_broker_groups_total", "Groups committed."};
  metrics::Counter commit_failures{registry, "tocsin_broker_commit_failures_total",
                                   "Groups the store could not keep."};
  metrics::Histogram commit_seconds{registry,
                                    "tocsin_broker_commit_seconds",
                                    "Time from handing a group to the store to its answer.",
                                    {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2}};
  metrics::Histogram publish_commit_seconds{
      registry,
      "tocsin_broker_publish_commit_seconds",
      "Time from an update's arrival at the broker to its commit.",
      {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}};
  metrics::Gauge waiting_updates{registry, "tocsin_broker_waiting_updates",
                                 "Updates that gather for a commit or wait for the store."};
  metrics::Gauge waiting_bytes{registry, "tocsin_broker_waiting_bytes", "The same in bytes."};
  metrics::Gauge sent_unreceived{
      registry, "tocsin_broker_unreceived_bytes",
      "Bytes of Updates messages that the edge furthest behind has yet to receive."};
  metrics::Gauge channels{registry, "tocsin_broker_channels", "Channels that exist."};
  metrics::Gauge peers{registry, "tocsin_broker_peers", "Edges and publishers connected."};
  metrics::Gauge edges{registry, "tocsin_broker_edges", "Edges connected."};
  metrics::Gauge interests{registry, "tocsin_broker_interests", "Pairs of an edge and a channel it wants."};
  metrics::Counter fanout_messages{registry, "tocsin_broker_fanout_messages_total",
                                   "Updates messages sent to edges."};
  metrics::Counter fanout_bytes{registry, "tocsin_broker_fanout_bytes_total",
                                "Bytes of Updates messages sent to edges."};
  metrics::Counter fanout_withheld{registry, "tocsin_broker_fanout_withheld_total",
                                   "Updates messages not sent because the edge lags; it reads them."};
  metrics::Gauge lagging_edges{registry, "tocsin_broker_lagging_edges",
                               "Edges over the lag bound, catching up by reading."};
  metrics::Counter reads{registry, "tocsin_broker_reads_total", "Pages of history read."};
  metrics::Counter positions_lost{registry, "tocsin_broker_positions_lost_total",
                                  "Reads from a position that is no longer known."};
  metrics::Gauge snapshots{registry, "tocsin_broker_snapshots", "Snapshots being read."};
  metrics::Gauge sessions_cached{registry, "tocsin_broker_sessions_cached", "Resume records held in memory."};
  metrics::Gauge ticket_keys{registry, "tocsin_broker_ticket_keys", "Keys that are good for tickets."};
  metrics::Gauge revocations{registry, "tocsin_broker_revocations",
                             "Tokens and subjects that are revoked at the moment."};
  metrics::Counter keys_dropped{registry, "tocsin_broker_keys_dropped_total",
                                "Connections cut because their CURVE key was taken off the allow-list."};
  metrics::Counter bad_messages{registry, "tocsin_broker_bad_messages_total",
                                "Messages of peers that could not be understood."};
  metrics::Counter send_failures{registry, "tocsin_broker_send_failures_total",
                                 "Messages a peer's queue did not take."};
  metrics::CounterFamily backups{registry,
                                 "tocsin_broker_backups_total",
                                 "Scheduled backups, by outcome.",
                                 "outcome",
                                 {"done", "failed"}};
  metrics::Gauge backup_interval{registry, "tocsin_broker_backup_interval_seconds",
                                 "Time between two scheduled backups; 0: none are scheduled."};
  metrics::Gauge backup_newest{registry, "tocsin_broker_backup_newest_timestamp_seconds",
                               "When the newest backup was begun, in seconds since 1970; 0: there is none."};
  metrics::Gauge backup_bytes{registry, "tocsin_broker_backup_bytes", "Size of the newest backup."};
  metrics::Gauge backup_took_ms{registry, "tocsin_broker_backup_took_milliseconds",
                                "How long the last scheduled backup took."};
};

}  // namespace tocsin::broker
