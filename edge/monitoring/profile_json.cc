#include "edge/monitoring/profile_json.h"

#include <initializer_list>
#include <string_view>
#include <utility>

#include "common/metrics/text.h"
#include "common/rfc3339.h"
#include "edge/monitoring/profiles.h"
#include "edge/monitoring/tallies.h"

namespace tocsin::edge {
namespace {

double number(std::int64_t n) { return static_cast<double>(n); }

std::string object(std::initializer_list<std::pair<std::string_view, double>> members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    out.append(out.size() > 1 ? ",\"" : "\"").append(name).append("\":");
    out.append(metrics::number_text(value));
  }
  return out.append("}");
}

double mean(const metrics::HistogramState& h) {
  const auto count = h.cumulative.back();
  return count > 0 ? h.sum / number(count) : 0.0;
}

}  // namespace

std::string realtime_json(const Metrics& m) {
  return object({{"active_connections", number(m.clients.value())},
                 {"total_connections", number(m.opened.value())},
                 {"messages_sent", number(m.sent_frames())},
                 {"messages_received", number(m.received.value())},
                 {"errors", number(tallies_of(m).errors())}});
}

std::string vedfolnir_json(const Metrics& m, const ProfileFacts& facts) {
  const Tallies t = tallies_of(m);
  const double up = facts.uptime_s > 0 ? facts.uptime_s : 1;
  const double sent = number(m.sent_frames());
  std::string out = "{\"timestamp\":\"" + rfc3339(facts.wall_ms) + "\",\"uptime_seconds\":";
  out.append(metrics::number_text(facts.uptime_s));
  out.append(",\"connections\":")
      .append(object({{"total", number(m.opened.value())},
                      {"active", number(m.clients.value())},
                      {"failed", number(t.refused + t.unauthenticated + t.handshake)},
                      {"rate", number(m.handshakes_per_s.value())},
                      {"avg_duration_seconds", mean(m.connection_seconds.state())}}));
  out.append(",\"messages\":")
      .append(object({{"total", sent + number(m.received.value())},
                      {"sent", sent},
                      {"received", number(m.received.value())},
                      {"per_second", (sent + number(m.received.value())) / up},
                      {"avg_size_bytes", sent > 0 ? number(m.net_written_bytes.value()) / sent : 0.0},
                      {"avg_processing_seconds", mean(m.arrival_socket_seconds.state())}}));
  out.append(",\"performance\":")
      .append(object({{"cpu_usage_percent", facts.cpu_percent},
                      {"memory_usage_bytes", facts.memory_bytes},
                      {"response_time_seconds", mean(m.commit_arrival_seconds.state())},
                      {"throughput_bytes_per_second", number(m.net_written_bytes.value()) / up},
                      {"error_rate", t.error_percent(m)}}));
  out.append(",\"security\":")
      .append(
          object({{"blocked_connections", number(t.refused)},
                  {"failed_authentications", number(t.unauthenticated)},
                  {"rate_limited", number(t.refused + t.limited)},
                  {"forbidden", number(t.forbidden)},
                  {"csrf_failures", 0},
                  {"events", number(t.unauthenticated + t.forbidden + t.refused + t.limited + t.forged)}}));
  return out.append("}");
}

}  // namespace tocsin::edge
