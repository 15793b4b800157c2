#pragma once
// Every setting of an edge. Adding a row here is the whole change: see common/config/option.h.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/option.h"
#include "common/log/settings.h"
#include "common/trace/settings.h"
#include "edge/config_names.h"

namespace tocsin::edge {
struct Config {
  std::string id = "edge-0";
  std::string endpoint;
  std::string revision;
  std::int64_t weight = 100;
  std::string listen_address = "127.0.0.1";
  std::int64_t listen_port = 8080;
  bool listen_share = false;
  std::vector<std::string> listen_hosts;
  std::vector<std::string> proxy_trusted;
  ProxyProtocol proxy_protocol = ProxyProtocol::off;
  std::vector<std::string> origin_allowed;
  bool origin_missing = true;
  std::string tls_cert_file;
  std::string tls_key_file;
  std::string tls_ca_file;
  ClientCertificates tls_client_certs = ClientCertificates::none;
  std::int64_t tls_redirect_port = 0;
  std::string tls_redirect_to;
  std::vector<std::string> tls_redirect_exempt;
  bool https_only = false;
  std::string hsts = "max-age=31536000; includeSubDomains";
  TlsVersion tls_min_version = TlsVersion::v1_2;
  std::string tls_ciphers =
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
  std::string broker_endpoint = "tcp://127.0.0.1:7400";
  std::string broker_server_key_file;
  std::string curve_key_file;

  std::chrono::milliseconds link_silence{5'000};
  std::chrono::milliseconds link_request_timeout{5'000};
  std::int64_t link_page_bytes = 1'048'576;
  std::int64_t link_reorder_bytes = 8'388'608;
  std::int64_t link_publish_queue_bytes = 67'108'864;

  std::int64_t frame_max_bytes = 262'144;
  std::int64_t body_max_bytes = 1'048'576;
  std::int64_t subscriptions_max = 1'000;
  std::int64_t client_publish_inflight = 256;
  bool deflate = true;
  std::int64_t private_max_bytes = 1'048'576;
  std::int64_t clients_max = 100'000;
  std::chrono::milliseconds handshake_timeout{5'000};
  std::int64_t send_buffer_bytes = 131'072;
  std::int64_t accepts_per_turn = 64;
  std::int64_t handshakes_per_s = 10'000;

  std::int64_t connections_per_ip = 0, connections_per_subject = 0;
  std::int64_t cluster_connections = 0, cluster_connections_per_ip = 0, cluster_connections_per_subject = 0;
  std::int64_t attempts_per_ip = 0;
  std::chrono::milliseconds attempts_window{60'000};
  std::int64_t client_messages_per_s = 0, client_publishes_per_s = 0, client_bytes_per_s = 0;
  std::int64_t subject_messages_per_s = 0, subject_publishes_per_s = 0, subject_bytes_per_s = 0;
  std::int64_t tenant_messages_per_s = 0, tenant_publishes_per_s = 0, tenant_bytes_per_s = 0;
  std::chrono::milliseconds rate_burst{2'000};
  std::int64_t ban_after = 0;
  std::chrono::milliseconds ban_window{60'000};
  std::chrono::milliseconds ban{600'000};
  std::vector<std::string> limits_exempt;
  std::int64_t ipv6_prefix = 64;
  std::int64_t sources_max = 65'536;

  std::chrono::milliseconds keepalive{25'000};
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds beacon{5'000};
  std::int64_t reconnects_per_s = 5'000;
  std::chrono::milliseconds broker_wait{10'000};
  std::chrono::milliseconds ticket_ttl{604'800'000};

  std::int64_t audience_max_bytes = 16'777'216;
  std::int64_t audiences_max_bytes = 536'870'912;
  std::int64_t hold_us = 0;
  std::int64_t conflate_bytes = 262'144;
  std::chrono::milliseconds conflate_stalled{2'000};
  std::chrono::milliseconds conflate_behind{15'000};
  std::chrono::milliseconds slow_close{30'000};
  std::chrono::milliseconds behind_close{300'000};

  std::int64_t recent_max_bytes = 33'554'432;
  std::int64_t state_max_bytes = 134'217'728;
  std::chrono::milliseconds cache_linger{30'000};

  std::string auth_key_file;
  std::string auth_key_env;
  std::string auth_jwks_file;
  std::string auth_jwks_url;
  std::string auth_jwks_ca_file;
  std::chrono::milliseconds auth_jwks_refresh{300'000};
  std::chrono::milliseconds auth_jwks_floor{10'000};
  std::chrono::milliseconds auth_jwks_keep{600'000};
  std::string auth_algorithms = "HS256,RS256,ES256,EdDSA";
  std::string auth_issuer;
  std::string auth_audience;
  std::chrono::milliseconds auth_leeway{30'000};
  std::chrono::milliseconds auth_grace{5'000};
  std::string auth_subject_claim = "sub";
  std::string auth_tenant_claim = "tenant";
  std::string auth_permissions_claim = "permissions";
  std::string auth_row_policy;

  WhenFull health_full = WhenFull::ready;
  std::vector<std::string> health_paths;
  std::string admin_token_file;
  std::string admin_roles_file;
  bool admin_loopback = false;
  std::chrono::milliseconds drain_deadline{30'000};
  std::chrono::milliseconds drain_lb_settle{1'000};
  std::chrono::milliseconds drain_offer{5'000};
  std::chrono::milliseconds drain_bye_wait{2'000};
  std::int64_t drain_start_per_s = 125;
  std::int64_t drain_step_per_s = 5;

  ExpositionSettings exposition;
  std::string ready_file;
  std::chrono::milliseconds stop_timeout{2'000};
  log::Settings log;
  trace::Settings trace;
};

inline constexpr auto kOwnOptions = std::to_array({
    config::option<&Config::id>(
        "edge.id",
        "Name of this edge in the cluster; unique and stable over restarts; empty: this host's name."),
    config::option<&Config::endpoint>(
        "edge.endpoint", "WebSocket URL under which clients reach this edge; empty: made from the listener."),
    config::option<&Config::revision>(
        "edge.revision",
        "What this edge runs, for drains: clients are not sent to an older revision; empty: the version."),
    config::option<&Config::weight>("edge.weight",
                                    "Share of moved clients that this edge is given, among its equals.",
                                    {.min = 0, .max = 10'000}, config::Apply::live),
    config::option<&Config::listen_address>("listen.address",
                                            "Address to listen on; 0.0.0.0 for every interface."),
    config::option<&Config::listen_port>("listen.port",
                                         "TCP port for clients (WebSocket and HTTP); 0 takes any free one.",
                                         {.min = 0, .max = 65'535}),
    config::option<&Config::listen_share>(
        "listen.share",
        "Several edges may listen on the same port; the system spreads the clients over them."),
    config::option<&Config::listen_hosts>(
        "listen.hosts",
        "Names in the Host header under which clients may connect (example.com, *.example.com, host:port); empty: any.",
        {}, config::Apply::live),
    config::option<&Config::proxy_trusted>(
        "proxy.trusted",
        "Networks of the proxies in front (10.0.0.0/8, 2001:db8::/32): X-Forwarded-For, X-Real-IP and X-Forwarded-Proto are believed from them, and from nobody else.",
        {}, config::Apply::live),
    config::option<&Config::proxy_protocol>(
        "proxy.protocol",
        "required: connections of proxy.trusted begin with a PROXY protocol header, version 1 or 2; those of others have none.",
        {}, config::Apply::live),
    config::option<&Config::origin_allowed>(
        "origin.allowed",
        "Origins whose pages may connect: https://app.example.com, https://*.example.com (all below it), https://a.example:*, null; empty or *: every one.",
        {}, config::Apply::live),
    config::option<&Config::origin_missing>(
        "origin.missing",
        "Whether clients that name no Origin may connect; browsers always do, programs do not.", {},
        config::Apply::live),
    config::option<&Config::tls_cert_file>(
        "tls.cert_file",
        "PEM file with this edge's certificate and those up to its root; set, the listener speaks TLS only.",
        {}, config::Apply::live),
    config::option<&Config::tls_key_file>("tls.key_file",
                                          "PEM file with the certificate's private key, without passphrase.",
                                          {}, config::Apply::live),
    config::option<&Config::tls_ca_file>(
        "tls.ca_file", "PEM file with the authorities that clients' certificates may be from.", {},
        config::Apply::live),
    config::option<&Config::tls_client_certs>(
        "tls.client_certs",
        "Whether clients show a certificate from tls.ca_file: none are asked, optional ones are checked, or nobody comes in without.",
        {}, config::Apply::live),
    config::option<&Config::tls_redirect_port>(
        "tls.redirect_port",
        "TCP port without TLS, where health is answered and everything else is sent to https; 0: none.",
        {.min = 0, .max = 65'535}),
    config::option<&Config::tls_redirect_to>(
        "tls.redirect_to",
        "Where to, as https://host[:port]; empty: the host that was asked, and listen.port.", {},
        config::Apply::live),
    config::option<&Config::tls_redirect_exempt>(
        "tls.redirect_exempt",
        "Paths besides health that are answered without TLS on tls.redirect_port (/metrics).", {},
        config::Apply::live),
    config::option<&Config::https_only>(
        "http.https_only",
        "Sends who came without TLS to https, health apart: for an edge behind a proxy that ends TLS and says so (proxy.trusted, X-Forwarded-Proto).",
        {}, config::Apply::live),
    config::option<&Config::hsts>(
        "http.hsts",
        "Strict-Transport-Security of answers over TLS, which makes browsers insist on https; empty: none.",
        {}, config::Apply::live),
    config::option<&Config::tls_min_version>("tls.min_version", "Oldest TLS version a client may speak.", {},
                                             config::Apply::live),
    config::option<&Config::tls_ciphers>(
        "tls.ciphers", "Ciphers for TLS 1.2, in OpenSSL's words; those of TLS 1.3 are fixed.", {.min = 1},
        config::Apply::live),
    config::option<&Config::broker_endpoint>("broker.endpoint",
                                             "Link endpoint of the broker, tcp://host:port."),
    config::option<&Config::broker_server_key_file>(
        "broker.server_key_file",
        "File with the broker's public CURVE key; empty: the link is not encrypted.", {},
        config::Apply::live),
    config::option<&Config::curve_key_file>(
        "curve.key_file", "File with this edge's own CURVE key pair, mode 0600.", {}, config::Apply::live),
    config::option<&Config::link_silence>("link.silence_ms", "Silence after which the broker counts as gone.",
                                          {.min = 1'500, .max = 600'000}, config::Apply::live),
    config::option<&Config::link_request_timeout>(
        "link.request_timeout_ms", "Time in which the broker answers a request, restarts included.",
        {.min = 100, .max = 600'000}),
    config::option<&Config::link_page_bytes>("link.page_bytes",
                                             "Size of a page when a gap is repaired from the log.",
                                             {.min = 4'096, .max = 16'777'216}, config::Apply::live),
    config::option<&Config::link_reorder_bytes>("link.reorder_bytes",
                                                "Live updates kept behind gaps; what is above is read again.",
                                                {.min = 4'096, .max = 1'073'741'824}, config::Apply::live),
    config::option<&Config::link_publish_queue_bytes>(
        "link.publish_queue_bytes",
        "Bytes of unanswered publishes above which new ones are refused as overloaded.",
        {.min = 65'536, .max = 1'073'741'824}),
    config::option<&Config::frame_max_bytes>("limits.frame_max_bytes", "Largest message a client may send.",
                                             {.min = 1'024, .max = 16'777'216}, config::Apply::live),
    config::option<&Config::body_max_bytes>("limits.body_max_bytes",
                                            "Largest HTTP request body; of NDJSON, the largest line.",
                                            {.min = 1'024, .max = 67'108'864}, config::Apply::live),
    config::option<&Config::subscriptions_max>("limits.subscriptions_max", "Subscriptions of one client.",
                                               {.min = 1, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::client_publish_inflight>(
        "limits.client_publish_inflight", "Publishes of one client that may wait for their answer.",
        {.min = 1, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::deflate>(
        "websocket.deflate",
        "Agrees to permessage-deflate with clients that offer it: each message is compressed once for all of them."),
    config::option<&Config::private_max_bytes>("limits.private_max_bytes",
                                               "Unsent replies and replayed frames of one client.",
                                               {.min = 65'536, .max = 1'073'741'824}, config::Apply::live),
    config::option<&Config::clients_max>("limits.clients_max",
                                         "Open connections above which new ones are turned away.",
                                         {.min = 1, .max = 10'000'000}),
    config::option<&Config::handshake_timeout>("limits.handshake_ms",
                                               "Time in which a connection completes its request headers.",
                                               {.min = 100, .max = 120'000}, config::Apply::live),
    config::option<&Config::send_buffer_bytes>(
        "limits.send_buffer_bytes",
        "Kernel send buffer per connection: a stalled client holds no more than this.",
        {.min = 4'096, .max = 4'194'304}),
    config::option<&Config::accepts_per_turn>(
        "limits.accepts_per_turn", "Connections accepted in one turn of the loop.", {.min = 1, .max = 4'096}),
    config::option<&Config::handshakes_per_s>(
        "limits.handshakes_per_s",
        "New connections served in a second, after a burst of as many; as many again are answered 503 with Retry-After, the rest waits. 0: no limit. With TLS, 2000 leave half a core for updates.",
        {.min = 0, .max = 1'000'000}),
    config::option<&Config::connections_per_ip>(
        "limits.connections_per_ip",
        "Open connections of one address to this edge, above which it is answered 429. 0: no limit; the same for all below.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::connections_per_subject>("limits.connections_per_subject",
                                                     "Sessions of one token's subject on this edge.",
                                                     {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::cluster_connections>(
        "limits.cluster_connections",
        "Sessions of all edges together, above which new ones are answered 503.",
        {.min = 0, .max = 1'000'000'000}, config::Apply::live),
    config::option<&Config::cluster_connections_per_ip>(
        "limits.cluster_connections_per_ip",
        "Sessions of one address on all edges together; one that moves between edges is counted once.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::cluster_connections_per_subject>(
        "limits.cluster_connections_per_subject", "Sessions of one subject on all edges together.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::attempts_per_ip>(
        "limits.attempts_per_ip", "Connections that one address may begin in limits.attempts_window_ms.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::attempts_window>("limits.attempts_window_ms",
                                             "Time in which limits.attempts_per_ip are allowed.",
                                             {.min = 1'000, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::client_messages_per_s>("limits.client_messages_per_s",
                                                   "Messages a second of a connection or asker.",
                                                   {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::client_publishes_per_s>("limits.client_publishes_per_s",
                                                    "Updates a second that one connection may publish.",
                                                    {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::client_bytes_per_s>("limits.client_bytes_per_s",
                                                "Bytes a second of one connection's messages.",
                                                {.min = 0, .max = 10'000'000'000}, config::Apply::live),
    config::option<&Config::subject_messages_per_s>(
        "limits.subject_messages_per_s", "Messages a second of all connections of a subject, on this edge.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::subject_publishes_per_s>(
        "limits.subject_publishes_per_s", "Updates a second that a subject may publish on this edge.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::subject_bytes_per_s>("limits.subject_bytes_per_s",
                                                 "Bytes a second of a subject's messages on this edge.",
                                                 {.min = 0, .max = 10'000'000'000}, config::Apply::live),
    config::option<&Config::tenant_messages_per_s>(
        "limits.tenant_messages_per_s", "Messages a second of all subjects of a tenant, on this edge.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::tenant_publishes_per_s>(
        "limits.tenant_publishes_per_s", "Updates a second that a tenant may publish on this edge.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::tenant_bytes_per_s>("limits.tenant_bytes_per_s",
                                                "Bytes a second of a tenant's messages on this edge.",
                                                {.min = 0, .max = 10'000'000'000}, config::Apply::live),
    config::option<&Config::rate_burst>(
        "limits.burst_ms", "How much of the rates above may come at once: what they allow in this time.",
        {.min = 100, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::ban_after>(
        "limits.ban_after",
        "Refused connections, bad tokens and connections closed for what they sent, in limits.ban_window_ms, after which an address is banned.",
        {.min = 0, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::ban_window>("limits.ban_window_ms", "Time in which limits.ban_after are counted.",
                                        {.min = 1'000, .max = 86'400'000}, config::Apply::live),
    config::option<&Config::ban>("limits.ban_ms", "How long an address is banned.",
                                 {.min = 1'000, .max = 86'400'000}, config::Apply::live),
    config::option<&Config::limits_exempt>(
        "limits.exempt", "Networks to which no limit by address or rate applies, and that are never banned.",
        {}, config::Apply::live),
    config::option<&Config::ipv6_prefix>(
        "limits.ipv6_prefix",
        "Bits of an IPv6 address that make one client: who has a network has all of its addresses.",
        {.min = 16, .max = 128}),
    config::option<&Config::sources_max>(
        "limits.sources_max", "Addresses remembered that have no connection; the oldest are forgotten first.",
        {.min = 1'024, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::keepalive>(
        "session.keepalive_ms", "Silence after which a client is pinged; after twice that it is closed.",
        {.min = 200, .max = 3'600'000}),
    config::option<&Config::connect_timeout>("session.connect_timeout_ms",
                                             "Time in which a client sends its first frame.",
                                             {.min = 100, .max = 600'000}, config::Apply::live),
    config::option<&Config::reconnects_per_s>(
        "session.reconnects_per_s",
        "How many clients a second come back when this edge dies: each is told its delay with its welcome. 0: at once, all of them.",
        {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::beacon>("session.beacon_ms",
                                    "Longest time between two heads told to a live subscription.",
                                    {.min = 200, .max = 5'000}, config::Apply::live),
    config::option<&Config::broker_wait>(
        "session.broker_wait_ms",
        "How long a subscription or resume waits for an absent broker before it is refused.",
        {.min = 100, .max = 600'000}, config::Apply::live),
    config::option<&Config::ticket_ttl>(
        "session.ticket_ttl_ms", "How long a ticket is accepted; the session behind it may end sooner.",
        {.min = 1'000, .max = 31'536'000'000}, config::Apply::live),
    config::option<&Config::audience_max_bytes>(
        "fanout.audience_max_bytes",
        "Unsent frames kept for the clients of one view; who is further behind is served from history, a snapshot, or closed.",
        {.min = 65'536, .max = 1'073'741'824}, config::Apply::live),
    config::option<&Config::audiences_max_bytes>(
        "fanout.total_max_bytes",
        "Unsent frames kept for all views together; divided among them when there are many.",
        {.min = 1'048'576, .max = 68'719'476'736}, config::Apply::live),
    config::option<&Config::hold_us>(
        "fanout.hold_us",
        "Microseconds that frames wait for others to share their write: less work per update under load, for that much delay.",
        {.min = 0, .max = 2'000}),
    config::option<&Config::conflate_bytes>(
        "fanout.conflate_bytes",
        "Unsent bytes above which a slow client is given the newest state per incident.",
        {.min = 0, .max = 1'073'741'824}, config::Apply::live),
    config::option<&Config::conflate_stalled>(
        "fanout.conflate_stalled_ms", "Time without taking a byte after which a client counts as slow.",
        {.min = 0, .max = 600'000}, config::Apply::live),
    config::option<&Config::conflate_behind>(
        "fanout.conflate_behind_ms", "Time behind the newest update after which a client counts as slow.",
        {.min = 0, .max = 600'000}, config::Apply::live),
    config::option<&Config::slow_close>(
        "fanout.slow_close_ms",
        "Time without taking a byte after which a client with unsent frames is closed as a slow consumer.",
        {.min = 100, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::behind_close>(
        "fanout.behind_close_ms",
        "Time behind the newest update, conflated or not, after which a client is closed as a slow consumer.",
        {.min = 1'000, .max = 86'400'000}, config::Apply::live),
    config::option<&Config::recent_max_bytes>(
        "cache.recent_max_bytes", "Recent updates kept per channel, to serve resumes without the broker.",
        {.min = 65'536, .max = 17'179'869'184}),
    config::option<&Config::state_max_bytes>(
        "cache.state_max_bytes",
        "Current incidents kept per channel, to serve snapshots without the broker; above it they stream from the broker.",
        {.min = 0, .max = 17'179'869'184}),
    config::option<&Config::cache_linger>(
        "cache.linger_ms", "How long a channel without subscribers keeps its caches and interest.",
        {.min = 0, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::auth_key_file>(
        "auth.key_file",
        "File with what tokens are verified with: public keys in PEM, or in its first line the secret of HS256; read again when it changes. No key at all: no token is asked for.",
        {}, config::Apply::live),
    config::option<&Config::auth_key_env>("auth.key_env",
                                          "Name of an environment variable that holds the same."),
    config::option<&Config::auth_jwks_file>(
        "auth.jwks_file",
        "JWK set with the same; read again when it changes: a key is honoured while it is listed.", {},
        config::Apply::live),
    config::option<&Config::auth_jwks_url>(
        "auth.jwks_url",
        "https:// (or http://) URL of a JWK set; fetched at start, again from time to time, and when a token names a key that is not known. An answer that is no set changes nothing."),
    config::option<&Config::auth_jwks_ca_file>(
        "auth.jwks_ca_file", "PEM file with whom to believe at auth.jwks_url; empty: the system's."),
    config::option<&Config::auth_jwks_refresh>("auth.jwks_refresh_ms", "Time between two fetches.",
                                               {.min = 1'000, .max = 86'400'000}),
    config::option<&Config::auth_jwks_floor>(
        "auth.jwks_floor_ms", "Least time between two fetches for tokens whose key is not known.",
        {.min = 100, .max = 3'600'000}),
    config::option<&Config::auth_jwks_keep>(
        "auth.jwks_keep_ms",
        "Time that a key is still honoured after auth.jwks_url stopped listing it; 0: none.",
        {.min = 0, .max = 86'400'000}),
    config::option<&Config::auth_algorithms>("auth.algorithms", "Algorithms of tokens that are taken.",
                                             {.min = 1}, config::Apply::live),
    config::option<&Config::auth_issuer>("auth.issuer", "\"iss\" that a token must have; empty: any.", {},
                                         config::Apply::live),
    config::option<&Config::auth_audience>("auth.audience",
                                           "What \"aud\" of a token must be or hold; empty: anything.", {},
                                           config::Apply::live),
    config::option<&Config::auth_leeway>("auth.leeway_ms",
                                         "How far the clocks of the tokens' issuer and this host may differ.",
                                         {.min = 0, .max = 600'000}, config::Apply::live),
    config::option<&Config::auth_grace>(
        "auth.grace_ms",
        "Time that a client has to refresh its token after its end, given no updates; then it is closed.",
        {.min = 0, .max = 600'000}, config::Apply::live),
    config::option<&Config::auth_subject_claim>("auth.subject_claim",
                                                "Claim that says who a token's holder is.", {.min = 1}),
    config::option<&Config::auth_tenant_claim>(
        "auth.tenant_claim", "Claim that names whose limits.tenant_* are shared.", {}, config::Apply::live),
    config::option<&Config::auth_permissions_claim>(
        "auth.permissions_claim", "Claim with what a token permits.", {.min = 1}, config::Apply::live),
    config::option<&Config::auth_row_policy>(
        "auth.row_policy",
        "Which claims say what rows of a channel a client may see, as claim=member: tenant=label.tenant team=team. Members are label.NAME, severity, category, source, environment and team. A claim is a text, a number or a list of them; \"*\": all. A token without the claim is not valid.",
        {}, config::Apply::live),
    config::option<&Config::health_full>(
        "health.full",
        "What an edge with limits.clients_max is called: ready, since it answers new clients with 503 and when to come back; not_ready (503 at /health/ready); or unhealthy (at /health too).",
        {}, config::Apply::live),
    config::option<&Config::health_paths>(
        "health.paths",
        "More paths for health: /healthz answers like /health, with /healthz/live and /healthz/ready below it; /alive=live, =ready or =health is that answer alone.",
        {}, config::Apply::live),
    config::option<&Config::admin_token_file>(
        "admin.token_file",
        "File with the token of the role admin, which /admin/ asks for; no token at all: none is good enough.",
        {}, config::Apply::live),
    config::option<&Config::admin_roles_file>(
        "admin.roles_file",
        "File with more tokens for /admin/, a line each: viewer, operator or admin, a name, sha256: and the token's hash; tocsinctl token admin writes them.",
        {}, config::Apply::live),
    config::option<&Config::admin_loopback>(
        "admin.loopback",
        "Whoever connects from this host, and not through a proxy or browser, is an operator of /admin/ without a token.",
        {}, config::Apply::live),
    config::option<&Config::drain_deadline>("drain.deadline_ms",
                                            "Time for a drain that says none, SIGTERM's among them.",
                                            {.min = 1'000, .max = 86'400'000}, config::Apply::live),
    config::option<&Config::drain_lb_settle>(
        "drain.lb_settle_ms",
        "How long a cordoned edge still takes new clients, and a drain waits: load balancers need to see it.",
        {.min = 0, .max = 600'000}, config::Apply::live),
    config::option<&Config::drain_offer>(
        "drain.offer_ms", "Time that a client has to follow an offer; then it is closed with 1012.",
        {.min = 100, .max = 600'000}, config::Apply::live),
    config::option<&Config::drain_bye_wait>(
        "drain.bye_wait_ms", "Time that a client's old socket stays open after its new one has taken over.",
        {.min = 0, .max = 60'000}, config::Apply::live),
    config::option<&Config::drain_start_per_s>(
        "drain.start_per_s", "Clients a second that a move begins with, for each edge that takes them.",
        {.min = 1, .max = 100'000}, config::Apply::live),
    config::option<&Config::drain_step_per_s>(
        "drain.step_per_s",
        "What the rate of a move grows by each second while the edges that take them have room.",
        {.min = 0, .max = 100'000}, config::Apply::live),
    config::option<&Config::ready_file>(
        "run.ready_file",
        "Written atomically once the edge listens and its link is ready: JSON with pid, port, http and ws."),
    config::option<&Config::stop_timeout>("run.stop_timeout_ms",
                                          "Longest time between SIGTERM and exit while clients are told.",
                                          {.min = 0, .max = 600'000}, config::Apply::live),
});
inline constexpr auto kOptions = config::joined(
    kOwnOptions, config::joined(exposition_rows<&Config::exposition>(),
                                config::joined(log::rows<&Config::log>(), trace::rows<&Config::trace>())));

}  // namespace tocsin::edge
