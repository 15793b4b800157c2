#pragma once
// What an edge counts. Declaring a member is the whole change: see common/metrics/metrics.h. Any thread may
// count; the edge has one.
#include <chrono>
#include <limits>
#include <optional>

#include "common/metrics/metrics.h"

namespace tocsin::edge {

struct Metrics {
  explicit Metrics(metrics::Registry& r) : registry(r) {}
  metrics::Registry& registry;

  // ---- sessions
  metrics::Gauge clients{registry, "tocsin_edge_active_connections", "Clients connected, all doors."};
  metrics::Counter opened{registry, "tocsin_edge_opened_total", "Clients that connected."};
  metrics::CounterFamily closed{
      registry,
      "tocsin_edge_closed_total",
      "Clients the edge closed, by reason.",
      "reason",
      {"normal", "going_away", "policy", "too_big", "restart", "try_later", "bad_request", "unauthenticated",
       "forbidden", "connect_timeout", "replaced", "too_many", "slow_consumer", "keepalive_timeout"}};
  metrics::Counter left{registry, "tocsin_edge_left_total",
                        "Clients that went by themselves, or whose connection broke."};
  metrics::Histogram connection_seconds{registry,
                                        "tocsin_edge_connection_seconds",
                                        "How long clients that went had been connected.",
                                        {1, 5, 15, 60, 300, 900, 3'600, 14'400, 86'400}};
  metrics::Counter received{registry, "tocsin_edge_messages_received_total", "Frames of clients."};
  metrics::Counter private_frames{registry, "tocsin_edge_private_frames_total",
                                  "Frames for one client alone: replies, replays, snapshots, pings."};
  metrics::Sampled sent{registry, metrics::Kind::counter, "tocsin_edge_messages_sent_total",
                        "Frames handed to clients, delivered and private ones.",
                        [this] { return static_cast<double>(sent_frames()); }};
  [[nodiscard]] std::int64_t sent_frames() const noexcept {
    return delivered.value() + private_frames.value();
  }
  metrics::Counter bad_frames{registry, "tocsin_edge_bad_frames_total",
                              "Client frames answered with an error."};
  metrics::CounterFamily outcomes{registry,
                                  "tocsin_edge_subscribed_total",
                                  "Subscriptions answered, by outcome.",
                                  "outcome",
                                  {"live", "resumed", "snapshot", "lost"}};
  metrics::Counter sessions_resumed{registry, "tocsin_edge_sessions_resumed_total",
                                    "Sessions taken over by ticket."};
  metrics::CounterFamily tickets_refused{registry,
                                         "tocsin_edge_tickets_refused_total",
                                         "Tickets that did not take their session over, by reason.",
                                         "reason",
                                         {"forged", "expired", "foreign", "reused"}};
  metrics::Counter tokens_refused{registry, "tocsin_edge_tokens_refused_total",
                                  "Tokens that were missing, expired or not valid."};
  metrics::Gauge revoked{registry, "tocsin_edge_revoked",
                         "Tokens and subjects that this edge knows to be revoked."};
  metrics::CounterFamily jwks_fetches{registry,
                                      "tocsin_edge_jwks_fetches_total",
                                      "Fetches of auth.jwks_url, by outcome.",
                                      "outcome",
                                      {"ok", "failed"}};
  metrics::Counter forbidden{registry, "tocsin_edge_forbidden_total",
                             "Requests and frames that their token did not permit."};
  metrics::Counter publishes{registry, "tocsin_edge_publishes_total",
                             "Updates published by WebSocket clients."};

  // ---- drain
  metrics::Gauge state{registry, "tocsin_edge_state",
                       "0 starting, 1 ready, 2 cordoned, 3 migrating, 4 settling, 5 empty, 6 stopping."};
  metrics::Gauge load{registry, "tocsin_edge_load_permille",
                      "How much of what this edge can do is in use, by the scarcest of its means."};
  metrics::Gauge handshakes_per_s{registry, "tocsin_edge_handshakes_per_second",
                                  "Connections accepted in the last second."};
  metrics::Gauge move_remaining{registry, "tocsin_edge_drain_remaining_clients",
                                "Clients that the drain or migration under way has yet to see elsewhere."};
  metrics::Gauge move_rate{registry, "tocsin_edge_drain_rate_per_second",
                           "Clients a second that may go now, to all targets together."};
  enum class Moved : std::uint8_t { offered, migrated, resumed, snapshot, lost, closed, returned };
  metrics::CounterFamily moved{
      registry,
      "tocsin_edge_drain_clients_total",
      "Clients of drains and migrations: offered an edge; seen there, and how they resumed; closed with 1012; "
      "come back here.",
      "outcome",
      {"offered", "migrated", "resumed", "snapshot", "lost", "closed", "returned"}};

  // ---- hub
  metrics::Gauge subscriptions{registry, "tocsin_edge_subscriptions", "Subscriptions of connected clients."};
  metrics::Gauge channels{registry, "tocsin_edge_channels", "Channels this edge is interested in."};
  metrics::Gauge audiences{registry, "tocsin_edge_audiences",
                           "Distinct views (door, filter, channel) with clients."};
  metrics::Counter updates_in{registry, "tocsin_edge_updates_total",
                              "Updates received for the channels of interest."};
  metrics::Counter encoded{registry, "tocsin_edge_encoded_total",
                           "Update frames encoded, once per audience."};
  metrics::Counter delivered{registry, "tocsin_edge_delivered_total",
                             "Frames of subscriptions (updates, skips, heads) handed to client sockets."};
  metrics::Gauge log_bytes{registry, "tocsin_edge_audience_log_bytes", "Bytes held in audience logs."};
  metrics::Gauge blocked{registry, "tocsin_edge_blocked_clients", "Clients whose socket takes no more."};
  metrics::Gauge behind_bytes{registry, "tocsin_edge_behind_bytes",
                              "How far the slowest subscription is behind its view's newest frame."};
  metrics::Gauge queue_updates{registry, "tocsin_edge_queue_updates",
                               "Frames that wait for the slowest subscription."};
  metrics::Histogram arrival_socket_seconds{
      registry,
      "tocsin_edge_arrival_socket_seconds",
      "Time from an update's arrival at the edge to the end of the pass that wrote it to sockets.",
      {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}};
  metrics::Gauge private_bytes{registry, "tocsin_edge_private_bytes",
                               "Unsent private frames of all clients: replies, replays, snapshots."};
  metrics::Gauge joining{registry, "tocsin_edge_joining_subscriptions",
                         "Subscriptions not live: attaching, in a snapshot or catching up."};
  metrics::Gauge conflating{registry, "tocsin_edge_conflating_subscriptions",
                            "Slow subscriptions that are given the newest state per incident."};
  metrics::Gauge rate_waiting{registry, "tocsin_edge_rate_waiting_subscriptions",
                              "Subscriptions with updates that their max_rate holds back."};
  metrics::Counter conflated{registry, "tocsin_edge_conflated_total",
                             "Updates replaced by a newer one for a slow client or a max_rate."};
  metrics::Counter fell_behind{registry, "tocsin_edge_fell_behind_total",
                               "Subscriptions whose place in the audience log was overwritten."};
  metrics::Counter history_reads{registry, "tocsin_edge_history_reads_total",
                                 "Pages of history read from the broker."};
  metrics::Counter snapshots{registry, "tocsin_edge_snapshots_total", "Snapshots given to subscriptions."};

  // ---- link
  metrics::Gauge link_ready{registry, "tocsin_edge_link_ready",
                            "1 while the broker's canary was seen less than 3 s ago."};
  metrics::Counter link_sessions{registry, "tocsin_edge_link_sessions_total",
                                 "Times the broker welcomed this edge."};
  metrics::Counter link_bad_messages{registry, "tocsin_edge_link_bad_messages_total",
                                     "Link messages that could not be understood."};
  metrics::Counter link_updates{registry, "tocsin_edge_link_updates_total",
                                "Updates handed on to the hub, in order and once."};
  metrics::Histogram commit_arrival_seconds{
      registry,
      "tocsin_edge_commit_arrival_seconds",
      "Time from an update's commit to its arrival at the edge, by the two hosts' clocks.",
      {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
  metrics::Counter link_duplicates{registry, "tocsin_edge_link_duplicates_total",
                                   "Updates that came again and were dropped."};
  metrics::Counter link_repairs{registry, "tocsin_edge_link_repairs_total",
                                "Pages of the log read to repair a gap."};
  metrics::Counter link_reattached{registry, "tocsin_edge_link_reattached_total",
                                   "Channels whose history could not be repaired: epoch changed or too old."};
  metrics::Counter link_dropped_behind_gap{
      registry, "tocsin_edge_link_dropped_behind_gap_total",
      "Live updates dropped behind a gap over link.reorder_bytes, to be read again."};
  metrics::Counter link_refused_publishes{
      registry, "tocsin_edge_link_refused_publishes_total",
      "Drafts refused because the queue of unanswered publishes was full."};
  metrics::Counter link_timeouts{registry, "tocsin_edge_link_timeouts_total",
                                 "Requests the broker did not answer in time."};
  metrics::Gauge link_channels{registry, "tocsin_edge_link_channels", "Channels of interest."};
  metrics::Gauge link_waiting_bytes{registry, "tocsin_edge_link_waiting_bytes",
                                    "Live updates that wait behind a gap."};
  metrics::Gauge link_publish_bytes{registry, "tocsin_edge_link_publish_bytes",
                                    "Bytes of unanswered publishes."};

  // ---- net
  metrics::Gauge net_connections{registry, "tocsin_edge_net_connections",
                                 "Open connections, handshakes and HTTP included."};
  metrics::Counter net_accepted{registry, "tocsin_edge_net_accepted_total", "Connections accepted."};
  metrics::Counter net_turned_away{
      registry, "tocsin_edge_net_turned_away_total",
      "Connections closed unanswered: out of file descriptors, or too many beyond limits.clients_max."};
  metrics::Counter net_refused{
      registry, "tocsin_edge_net_refused_total",
      "Requests of new connections answered 503: limits.clients_max or limits.handshakes_per_s."};
  metrics::Counter net_handshake_timeouts{registry, "tocsin_edge_net_handshake_timeouts_total",
                                          "Connections that sent no complete request in time."};
  metrics::CounterFamily limited{
      registry,
      "tocsin_edge_limited_total",
      "Connections, messages and subscriptions refused, by the limit they reached.",
      "limit",
      {"connections", "ip_connections", "subject_connections", "cluster_connections",
       "cluster_ip_connections", "cluster_subject_connections", "attempts", "banned", "messages", "publishes",
       "bytes", "subscriptions"}};
  metrics::Counter bans{registry, "tocsin_edge_bans_total", "Addresses banned for a while."};
  metrics::Gauge sources{registry, "tocsin_edge_sources", "Addresses remembered for limits and bans."};
  metrics::Counter net_origins_refused{
      registry, "tocsin_edge_net_origins_refused_total",
      "Connections refused for their Origin or Host: origin.allowed, origin.missing, listen.hosts."};
  metrics::Counter net_proxy_headers_refused{
      registry, "tocsin_edge_net_proxy_headers_refused_total",
      "Connections of trusted proxies that were closed for want of a good PROXY header."};
  metrics::Counter net_deflating{registry, "tocsin_edge_net_deflating_total",
                                 "WebSockets that agreed on permessage-deflate."};
  metrics::Counter net_written_bytes{registry, "tocsin_edge_net_written_bytes_total",
                                     "Bytes of frames handed to sockets."};
  metrics::Counter net_writes{registry, "tocsin_edge_net_writes_total",
                              "Writes of frames: one per client and turn of the loop at most."};
  metrics::Counter net_partial_writes{registry, "tocsin_edge_net_partial_writes_total",
                                      "Writes that the kernel took only in part."};
  std::optional<std::int64_t> tls_not_after_s;  ///< end of the certificate, seconds since 1970
  [[nodiscard]] double tls_days_left() const {
    using std::chrono::system_clock;
    if (!tls_not_after_s) return std::numeric_limits<double>::quiet_NaN();
    const std::chrono::duration<double> now = system_clock::now().time_since_epoch();
    return (static_cast<double>(*tls_not_after_s) - now.count()) / 86'400;
  }
  metrics::Sampled tls_days{registry, metrics::Kind::gauge, "tocsin_edge_tls_days_left",
                            "Days until the first certificate of the served chain ends; NaN without TLS.",
                            [this] { return tls_days_left(); }};
  metrics::Counter tls_reloads{registry, "tocsin_edge_tls_reloads_total",
                               "Times new handshakes got a certificate that was read again."};
  metrics::Counter net_redirected{registry, "tocsin_edge_net_redirected_total",
                                  "Requests without TLS that were sent to https."};
  metrics::Counter net_requests{registry, "tocsin_edge_net_requests_total",
                                "HTTP requests answered, upgrades not counted."};
};

}  // namespace tocsin::edge
