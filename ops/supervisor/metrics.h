#pragma once
// What the supervisor counts. Declared once; see common/metrics/metrics.h.
#include "common/metrics/metrics.h"
#include "common/metrics/process.h"

namespace tocsin::ops {

struct Metrics {
  explicit Metrics(metrics::Registry& r) : registry(r) {}
  metrics::Registry& registry;

  metrics::ProcessMetrics process{registry};
  metrics::Gauge processes{registry, "tocsin_supervisor_processes", "Processes that are kept running."};
  metrics::Gauge processes_ready{registry, "tocsin_supervisor_processes_ready",
                                 "Processes that said they serve."};
  metrics::Gauge edges_ready{registry, "tocsin_supervisor_edges_ready",
                             "Edges whose own readiness check answers 200."};
  metrics::Counter restarts{registry, "tocsin_supervisor_restarts_total",
                            "Processes that died and were started again."};
  metrics::Gauge moves_running{registry, "tocsin_supervisor_moves_running",
                               "Drains, migrations, rebalances, scalings and restarts under way."};
  metrics::Counter moves_failed{registry, "tocsin_supervisor_moves_failed_total", "Moves that failed."};
  metrics::Gauge maintenance{registry, "tocsin_supervisor_maintenance",
                             "1 while maintenance is on: nothing is restarted or rebalanced, alerts rest."};
  metrics::Gauge kube_leader{registry, "tocsin_supervisor_kubernetes_leader",
                             "1 while this supervisor holds the lease; always 0 outside of Kubernetes."};
  metrics::Counter kube_lists{registry, "tocsin_supervisor_kubernetes_lists_total",
                              "Lists read from the API server: the first ones, and after a watch was lost."};
  metrics::Counter kube_conflicts{registry, "tocsin_supervisor_kubernetes_conflicts_total",
                                  "Changes that somebody else came before, and that were tried again."};
  metrics::Gauge kube_troubles{registry, "tocsin_supervisor_kubernetes_troubles",
                               "What the API server does not answer or permit now; /status says what."};
  metrics::Gauge members_troubles{
      registry, "tocsin_supervisor_members_troubles",
      "Names that do not resolve and addresses where no edge answers as it should; /status says which."};
  metrics::Gauge alerts_firing{registry, "tocsin_supervisor_alerts_firing",
                               "Alerts of the webhook that are on, told or not."};
  metrics::CounterFamily alert_posts{registry,
                                     "tocsin_supervisor_alert_posts_total",
                                     "Posts to the webhook, by outcome.",
                                     "outcome",
                                     {"taken", "failed"}};
  metrics::Counter refused{registry, "tocsin_supervisor_admin_refused_total",
                           "Admin requests without the right token."};
};

}  // namespace tocsin::ops
