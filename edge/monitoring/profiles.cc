#include "edge/monitoring/profiles.h"

#include <algorithm>
#include <array>
#include <vector>

#include "common/close.h"
#include "common/metrics/text.h"
#include "edge/monitoring/profile_json.h"
#include "edge/monitoring/tallies.h"

namespace tocsin::edge {
namespace {

using metrics::Kind;
using metrics::TextPage;

constexpr std::string_view kText = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::array<double, 11> kBroadcastBounds{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5};
constexpr std::array<double, 12> kLatencyBounds{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};

double number(std::int64_t n) { return static_cast<double>(n); }

void lim(TextPage& page, const Metrics& m) {
  page.family(Kind::gauge, "lim_websocket_connections_active", "Active WebSocket connections")
      .sample(number(m.clients.value()));
  page.family(Kind::counter, "lim_websocket_connections_total", "WebSocket connections")
      .sample(number(m.opened.value()));
  page.family(Kind::gauge, "lim_websocket_subscriptions_active", "Active subscriptions")
      .sample(number(m.subscriptions.value()));
  page.family(Kind::counter, "lim_websocket_messages_sent_total", "Messages sent to clients")
      .sample(number(m.sent_frames()));
  page.family(Kind::counter, "lim_websocket_messages_received_total", "Messages received from clients")
      .sample(number(m.received.value()));
  page.family(Kind::counter, "lim_websocket_errors_total",
              "Connections refused or closed, and messages refused, for what the client did or the edge "
              "could not take")
      .sample(number(tallies_of(m).errors()));
  page.family(Kind::histogram, "lim_websocket_connection_duration_seconds", "Duration of connections")
      .histogram(m.connection_seconds.state());
  page.family(Kind::gauge, "lim_websocket_message_queue_size", "Messages that wait for the slowest client")
      .sample(number(m.queue_updates.value()));
}

void mahavishnu(TextPage& page, const Metrics& m, const ProfileFacts& facts) {
  const std::pair<std::string_view, std::string_view> server{"server", facts.server};
  const std::string_view mode = facts.tls ? "wss" : "ws";
  const Tallies t = tallies_of(m);
  page.family(Kind::counter, "websocket_connections_total",
              "Total number of WebSocket connections established")
      .sample(number(m.opened.value()), {server, {"tls_mode", mode}});
  page.family(Kind::gauge, "websocket_connections_active", "Current number of active WebSocket connections")
      .sample(number(m.clients.value()), {server});
  page.family(Kind::counter, "websocket_messages_total", "Total number of WebSocket messages")
      .sample(number(m.received.value()), {server, {"message_type", "request"}, {"direction", "received"}})
      .sample(number(m.private_frames.value()), {server, {"message_type", "response"}, {"direction", "sent"}})
      .sample(number(m.delivered.value()), {server, {"message_type", "event"}, {"direction", "sent"}});
  page.family(Kind::counter, "websocket_broadcast_total", "Total number of broadcasts");
  if (facts.channels.empty()) page.sample(number(m.updates_in.value()), {server, {"channel", "all"}});
  for (const auto& channel : facts.channels)
    page.sample(number(channel.updates), {server, {"channel", channel.label}});
  page.family(Kind::histogram, "websocket_broadcast_duration_seconds",
              "Duration of broadcasts: from an update's arrival to the end of its writes")
      .histogram(m.arrival_socket_seconds.state(), {server, {"channel", "all"}}, kBroadcastBounds);
  page.family(Kind::counter, "websocket_connection_errors_total", "Total number of connection errors")
      .sample(number(t.refused), {server, {"error_type", "max_connections"}})
      .sample(number(t.unauthenticated), {server, {"error_type", "auth"}})
      .sample(number(t.handshake), {server, {"error_type", "handshake_timeout"}})
      .sample(number(t.slow), {server, {"error_type", "slow_consumer"}});
  page.family(Kind::counter, "websocket_message_errors_total", "Total number of message errors")
      .sample(number(t.malformed), {server, {"error_type", "decode_error"}})
      .sample(number(t.limited), {server, {"error_type", "rate_limit"}})
      .sample(number(t.forbidden), {server, {"error_type", "forbidden"}});
  page.family(Kind::histogram, "websocket_latency_seconds",
              "Latency of messages: from an update's commit to its arrival at this server")
      .histogram(m.commit_arrival_seconds.state(), {server, {"message_type", "event"}}, kLatencyBounds)
      // Their rule asks for histogram_quantile(0.95, websocket_latency_seconds): buckets under this very
      // name, and of lately, since it takes no rate.
      .buckets("", facts.latency, {server, {"message_type", "event"}}, kLatencyBounds);
}

void realtime(TextPage& page, const Metrics& m) {
  const Tallies t = tallies_of(m);
  page.family(Kind::gauge, "active_connections", "Active connections").sample(number(m.clients.value()));
  page.family(Kind::counter, "total_connections", "Connections").sample(number(m.opened.value()));
  page.family(Kind::counter, "messages_sent_total", "Messages sent").sample(number(m.sent_frames()));
  page.family(Kind::counter, "messages_received_total", "Messages received")
      .sample(number(m.received.value()));
  page.family(Kind::counter, "errors_total", "Errors").sample(number(t.errors()));
  page.family(Kind::counter, "rate_limit_denied_total", "Connections and messages over a limit")
      .sample(number(t.refused + t.limited));
}

void vedfolnir(TextPage& page, const Metrics& m, const ProfileFacts& facts) {
  const Tallies t = tallies_of(m);
  page.family(Kind::counter, "websocket_connections_total", "Total WebSocket connections")
      .sample(number(m.opened.value()));
  page.family(Kind::gauge, "websocket_connections_active", "Active WebSocket connections")
      .sample(number(m.clients.value()));
  page.family(Kind::counter, "websocket_connections_failed_total", "Failed WebSocket connections")
      .sample(number(t.refused + t.unauthenticated + t.handshake));
  page.family(Kind::counter, "websocket_messages_total", "Total WebSocket messages")
      .sample(number(m.received.value()), {{"event", "received"}, {"namespace", "/"}})
      .sample(number(m.sent_frames()), {{"event", "sent"}, {"namespace", "/"}});
  page.family(Kind::histogram, "websocket_message_processing_seconds", "Message processing time")
      .histogram(m.arrival_socket_seconds.state());
  page.family(Kind::histogram, "websocket_response_time_seconds",
              "Response time: from an update's commit to its arrival")
      .histogram(m.commit_arrival_seconds.state());
  page.family(Kind::gauge, "websocket_cpu_usage_percent", "Processor time in use").sample(facts.cpu_percent);
  page.family(Kind::gauge, "websocket_memory_usage_bytes", "Resident memory").sample(facts.memory_bytes);
  page.family(Kind::gauge, "websocket_error_rate", "Errors among connections and messages received, percent")
      .sample(t.error_percent(m));
  page.family(Kind::counter, "websocket_errors_total", "WebSocket errors").sample(number(t.errors()));
  page.family(Kind::counter, "websocket_security_events_total", "Security events")
      .sample(number(t.unauthenticated), {{"event_type", "authentication_failed"}})
      .sample(number(t.forbidden), {{"event_type", "forbidden"}})
      .sample(number(t.refused + t.limited), {{"event_type", "rate_limited"}})
      .sample(number(t.forged), {{"event_type", "ticket_forged"}});
}

std::vector<std::string_view> split(std::string_view names) {
  std::vector<std::string_view> out;
  for (std::size_t from = 0; from <= names.size();) {
    const auto comma = std::min(names.find(',', from), names.size());
    if (comma > from) out.push_back(names.substr(from, comma - from));
    from = comma + 1;
  }
  return out;
}

}  // namespace

Status check_profiles(std::string_view names) {
  constexpr std::array<std::string_view, 7> kNames{"tocsin",    "lim",           "mahavishnu",    "realtime",
                                                   "vedfolnir", "realtime-json", "vedfolnir-json"};
  const auto list = split(names);
  const auto has = [&](std::string_view name) {
    return std::find(list.begin(), list.end(), name) != list.end();
  };
  for (const auto name : list)
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end())
      return Error{Errc::invalid_argument,
                   "a profile is one of tocsin, lim, mahavishnu, realtime, vedfolnir, realtime-json, "
                   "vedfolnir-json"};
  if (list.empty()) return Error{Errc::invalid_argument, "no profile is named"};
  const bool json =
      std::any_of(list.begin(), list.end(), [](std::string_view name) { return name.ends_with("-json"); });
  if ((json && list.size() > 1) || (has("vedfolnir") && has("mahavishnu")))
    return Error{Errc::invalid_argument,
                 "these profiles cannot be answered together: vedfolnir and mahavishnu give the same names "
                 "other labels, and one of JSON stands alone"};
  return Done{};
}

Result<Exposition> expose(std::string_view names, const Metrics& m, const ProfileFacts& facts) {
  if (auto ok = check_profiles(names); !ok) return ok.error();
  if (names == "realtime-json") return Exposition{"application/json", realtime_json(m)};
  if (names == "vedfolnir-json") return Exposition{"application/json", vedfolnir_json(m, facts)};
  std::string own;
  TextPage page;
  for (const auto name : split(names)) {
    if (name == "tocsin") own = m.registry.prometheus_text();
    if (name == "lim") lim(page, m);
    if (name == "mahavishnu") mahavishnu(page, m, facts);
    if (name == "realtime") realtime(page, m);
    if (name == "vedfolnir") vedfolnir(page, m, facts);
  }
  return Exposition{std::string(kText), own + page.text()};
}

}  // namespace tocsin::edge
