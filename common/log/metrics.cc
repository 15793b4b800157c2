#include "common/log/metrics.h"

namespace tocsin::log {

using metrics::Kind;

LogMetrics::LogMetrics(metrics::Registry& r)
    : lines_(r, Kind::counter, "tocsin_log_lines_total", "Lines logged.", "category", kCategoryNames,
             [](std::size_t i) { return static_cast<double>(counts().lines[i]); }),
      audits_(r, Kind::counter, "tocsin_audit_events_total",
              "What the audit log is about: authentications, subscriptions, refusals, orders.", "outcome",
              {"ok", "refused"},
              [](std::size_t i) {
                const Counts now = counts();
                return static_cast<double>(i == 0 ? now.audit_ok : now.audit_refused);
              }),
      sampled_(r, Kind::counter, "tocsin_log_sampled_total",
               "Lines not written because there were too many of their kind (log.flood_per_s).",
               [] { return static_cast<double>(counts().sampled); }),
      dropped_(r, Kind::counter, "tocsin_log_dropped_total",
               "Lines dropped because those before them were not written yet (log.queue_bytes).",
               [] { return static_cast<double>(counts().dropped); }),
      failed_(r, Kind::counter, "tocsin_log_failed_total",
              "Lines that their file did not take (disk full, read-only); they went to standard error.",
              [] { return static_cast<double>(counts().failed); }),
      syslog_lost_(r, Kind::counter, "tocsin_log_syslog_lost_total", "Lines that syslog did not take.",
                   [] { return static_cast<double>(counts().syslog_lost); }),
      audit_lost_(r, Kind::counter, "tocsin_audit_lost_total",
                  "Lines of the audit log that are not in it: dropped, or not taken by their file.",
                  [] { return static_cast<double>(counts().audit_lost); }) {}

}  // namespace tocsin::log
