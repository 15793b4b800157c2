#pragma once
// Every setting of the supervisor. Adding a row here is the whole change: see common/config/option.h.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/option.h"
#include "common/log/settings.h"

namespace tocsin::ops {

enum class Announce : std::uint8_t { text, json, none };
enum class Platform : std::uint8_t { processes, kubernetes, members };

struct Config {
  std::string dir = "tocsin-cluster";
  std::int64_t edges = 2;
  std::int64_t port = 8080;
  std::string listen = "127.0.0.1:0";
  std::string programs;
  Announce announce = Announce::text;
  std::chrono::milliseconds restart_max{10'000};
  std::chrono::milliseconds stable_run{10'000};
  std::chrono::milliseconds start_timeout{30'000};
  std::chrono::milliseconds stop_timeout{10'000};
  Platform platform = Platform::processes;
  std::string admin_token_file;
  std::string broker_endpoint = "tcp://tocsin-broker:7400";
  std::string broker_http = "http://tocsin-broker:7401";
  std::string broker_server_key_file;
  std::string kube_api = "https://kubernetes.default.svc";
  std::string kube_ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
  std::string kube_token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  std::string kube_namespace;
  std::string kube_statefulset = "tocsin-edge";
  std::string kube_selector = "app.kubernetes.io/name=tocsin-edge";
  std::string kube_edge_url = "http://{ip}:8080";
  std::string kube_edge_ca_file;
  std::string kube_lease = "tocsin-supervisor";
  std::string kube_plans = "tocsin-plans";
  std::string kube_identity;
  std::string kube_admin_url;
  std::chrono::milliseconds kube_lease_ms{15'000};
  bool kube_rebalance = true;
  std::vector<std::string> members_edges;
  std::chrono::milliseconds members_resolve{1'000};
  std::string members_edge_ca_file;
  std::string webhook_url;
  std::string webhook_token_file;
  std::string webhook_ca_file;
  std::string alert_service = "tocsin";
  std::chrono::milliseconds alert_check{10'000};
  std::chrono::milliseconds alert_resolve{30'000};
  std::chrono::milliseconds alert_repeat{14'400'000};
  std::chrono::milliseconds alert_down{30'000};
  std::int64_t alert_restarts = 4;
  std::int64_t alert_commit_failures = 1;
  std::int64_t alert_response_time = 1'000;
  std::int64_t alert_lagging_edges = 1;
  std::int64_t alert_backup_intervals = 3;
  std::int64_t alert_connection_errors = 60;
  std::int64_t alert_message_errors = 50;
  std::int64_t alert_publish_time = 1'000;
  std::int64_t alert_backup_failures = 1;
  std::int64_t alert_refusals = 600;
  std::int64_t alert_bans = 10;
  std::int64_t alert_jwks_failures = 5;
  std::int64_t alert_log_lines_lost = 1;
  std::int64_t alert_audit_lost = 1;
  std::int64_t alert_load = 90;
  std::int64_t alert_memory = 4'096;
  std::int64_t alert_disk_free = 10;
  std::int64_t alert_certificate = 14;
  std::int64_t alert_maintenance = 240;
  std::string admin_roles_file;
  bool admin_loopback = false;
  log::Settings log;
};

}  // namespace tocsin::ops

template <>
struct tocsin::config::EnumNames<tocsin::ops::Platform> {
  static constexpr auto kNames = std::to_array<std::string_view>({"processes", "kubernetes", "members"});
};

template <>
struct tocsin::config::EnumNames<tocsin::ops::Announce> {
  static constexpr auto kNames = std::to_array<std::string_view>({"text", "json", "none"});
};

namespace tocsin::ops {

inline constexpr auto kOwnOptions = std::to_array({
    config::option<&Config::dir>("cluster.dir",
                                 "Folder of the local cluster: data, keys, logs and cluster.json."),
    config::option<&Config::edges>("cluster.edges", "Edges of the local cluster.", {.min = 0, .max = 64}),
    config::option<&Config::port>(
        "cluster.port",
        "Port of the first edge, the next one gets the next; 0 takes free ones and keeps them.",
        {.min = 0, .max = 65'535}),
    config::option<&Config::listen>("supervisor.listen",
                                    "host:port of the admin API; port 0 takes a free one and keeps it."),
    config::option<&Config::programs>("supervisor.programs",
                                      "Folder of the programs to start; empty: the supervisor's own."),
    config::option<&Config::announce>(
        "supervisor.announce",
        "What is printed to stdout for people: text, json (cluster.json when ready) or none."),
    config::option<&Config::restart_max>("supervisor.restart_max_ms",
                                         "Longest wait before a process that keeps dying is started again.",
                                         {.min = 100, .max = 600'000}),
    config::option<&Config::stable_run>(
        "supervisor.stable_run_ms",
        "Time a process must have been ready for its next restart to come at once again.",
        {.min = 100, .max = 3'600'000}),
    config::option<&Config::start_timeout>("supervisor.start_timeout_ms",
                                           "Time in which a process must be ready at the first start.",
                                           {.min = 100, .max = 600'000}),
    config::option<&Config::stop_timeout>("supervisor.stop_timeout_ms",
                                          "Time a process has to stop before it is killed.",
                                          {.min = 100, .max = 600'000}),
    config::option<&Config::platform>(
        "supervisor.platform",
        "Where the edges run: processes that it starts itself, pods of a StatefulSet in Kubernetes, or members that others run (containers, units) and it finds by members.edges."),
    config::option<&Config::admin_token_file>(
        "admin.token_file",
        "File with the token that the edges and this admin API ask for; empty: admin.token in the folder."),
    config::option<&Config::broker_endpoint>(
        "broker.endpoint", "Where the broker is not started here: its link endpoint, for cluster.json."),
    config::option<&Config::broker_http>(
        "broker.http_url",
        "Where the broker is not started here: URL of its HTTP, for its health, reloads and cluster.json."),
    config::option<&Config::broker_server_key_file>(
        "broker.server_key_file",
        "Where the broker is not started here: file with its public CURVE key, for cluster.json."),
    config::option<&Config::kube_api>("kubernetes.api",
                                      "URL of the API server, by a name that its certificate has."),
    config::option<&Config::kube_ca_file>("kubernetes.ca_file",
                                          "PEM file with the authority of the API server's certificate."),
    config::option<&Config::kube_token_file>(
        "kubernetes.token_file",
        "File with the service account's token, read for every request: it is rotated."),
    config::option<&Config::kube_namespace>(
        "kubernetes.namespace",
        "Namespace of the edges; empty: what the file namespace beside the token says."),
    config::option<&Config::kube_statefulset>("kubernetes.statefulset",
                                              "StatefulSet of the edges that is scaled."),
    config::option<&Config::kube_selector>(
        "kubernetes.selector",
        "Label selector of all pods that are edges; those of other sets are watched, never scaled."),
    config::option<&Config::kube_edge_url>(
        "kubernetes.edge_url",
        "How an edge's HTTP is reached; {ip}, {name} and {namespace} are those of its pod."),
    config::option<&Config::kube_edge_ca_file>(
        "kubernetes.edge_ca_file",
        "PEM file with the authority of the edges' certificates, when kubernetes.edge_url is https://."),
    config::option<&Config::kube_lease>("kubernetes.lease",
                                        "Lease that the supervisor in charge holds: the others stand by."),
    config::option<&Config::kube_plans>("kubernetes.plans",
                                        "ConfigMap that keeps plans, cordons and maintenance."),
    config::option<&Config::kube_identity>("kubernetes.identity",
                                           "Name of this supervisor in the lease; empty: the host's."),
    config::option<&Config::kube_admin_url>(
        "kubernetes.admin_url",
        "URL under which this supervisor's admin API is reached; empty: made from supervisor.listen."),
    config::option<&Config::kube_lease_ms>(
        "kubernetes.lease_ms",
        "Silence of the supervisor in charge after which another takes over; it gives up at two thirds.",
        {.min = 1'000, .max = 600'000}),
    config::option<&Config::kube_rebalance>(
        "kubernetes.rebalance", "Gives edges that came their share of the clients, without being asked."),
    config::option<&Config::members_edges>(
        "members.edges",
        "Where the edges are when others run them: host:port, http://host:port or https://host:port. A name is every address it has; with https:// it is one edge.",
        {}, config::Apply::live),
    config::option<&Config::members_resolve>("members.resolve_ms",
                                             "Time between two lookups of the names in members.edges.",
                                             {.min = 100, .max = 600'000}, config::Apply::live),
    config::option<&Config::members_edge_ca_file>(
        "members.edge_ca_file",
        "PEM file with the authority of the certificates of https:// members; empty: the system's."),
    config::option<&Config::webhook_url>(
        "alerts.webhook_url",
        "Where alerts are posted as JSON when they begin and end, for those without Prometheus; empty: nowhere."),
    config::option<&Config::webhook_token_file>(
        "alerts.webhook_token_file", "File with a token that is sent along, as Authorization: Bearer."),
    config::option<&Config::webhook_ca_file>(
        "alerts.webhook_ca_file", "Authorities of an https webhook's certificate, PEM; empty: the system's."),
    config::option<&Config::alert_service>("alerts.service", "The member \"service\" of what is posted.", {},
                                           config::Apply::live),
    config::option<&Config::alert_check>("alerts.check_ms", "Time between two looks at every process.",
                                         {.min = 100, .max = 600'000}),
    config::option<&Config::alert_resolve>("alerts.resolve_ms",
                                           "Time that an alert must be over before its end is told.",
                                           {.min = 0, .max = 3'600'000}),
    config::option<&Config::alert_repeat>("alerts.repeat_ms",
                                          "Time after which an alert that lasts is told again; 0: never.",
                                          {.min = 0, .max = 604'800'000}),
    config::option<&Config::alert_down>(
        "alerts.process_down_ms", "Alert: a process has not been ready for so long; 0, here and below: off.",
        {.min = 0, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::alert_restarts>("alerts.restarts",
                                            "Alert: so many processes died within 15 minutes.",
                                            {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::alert_commit_failures>("alerts.commit_failures",
                                                   "Alert: so many groups a minute could not be kept.",
                                                   {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::alert_response_time>("alerts.response_time_ms",
                                                 "Alert: a commit takes so long in the mean, a minute long.",
                                                 {.min = 0, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::alert_lagging_edges>("alerts.lagging_edges",
                                                 "Alert: so many edges lag, two minutes long.",
                                                 {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::alert_backup_intervals>(
        "alerts.backup_intervals", "Alert: backups are scheduled and the newest is so many intervals old.",
        {.min = 0, .max = 1'000}, config::Apply::live),
    config::option<&Config::alert_connection_errors>(
        "alerts.connection_errors",
        "Alert: an edge refused, turned away or gave up so many connections and tokens a minute.",
        {.min = 0, .max = 100'000'000}, config::Apply::live),
    config::option<&Config::alert_message_errors>(
        "alerts.message_errors", "Alert: an edge answered so many frames a minute with an error.",
        {.min = 0, .max = 100'000'000}, config::Apply::live),
    config::option<&Config::alert_publish_time>(
        "alerts.publish_time_ms",
        "Alert: one publish in a hundred waits so long for its commit, a minute long.",
        {.min = 0, .max = 3'600'000}, config::Apply::live),
    config::option<&Config::alert_backup_failures>("alerts.backup_failures",
                                                   "Alert: so many scheduled backups in a row failed.",
                                                   {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::alert_refusals>(
        "alerts.refusals", "Alert: the limits of an edge refused so much a minute, a minute long.",
        {.min = 0, .max = 100'000'000}, config::Apply::live),
    config::option<&Config::alert_bans>("alerts.bans", "Alert: an edge banned so many addresses a minute.",
                                        {.min = 0, .max = 100'000'000}, config::Apply::live),
    config::option<&Config::alert_jwks_failures>(
        "alerts.jwks_failures", "Alert: an edge could not fetch auth.jwks_url so many times in a row.",
        {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::alert_log_lines_lost>(
        "alerts.log_lines_lost",
        "Alert: so many log lines a minute were dropped, or not taken by their file or syslog.",
        {.min = 0, .max = 1'000'000'000}, config::Apply::live),
    config::option<&Config::alert_audit_lost>("alerts.audit_lost",
                                              "Alert: so many lines a minute are missing in the audit log.",
                                              {.min = 0, .max = 1'000'000'000}, config::Apply::live),
    config::option<&Config::alert_load>("alerts.load_percent",
                                        "Alert: an edge uses so much of what it can do, two minutes long.",
                                        {.min = 0, .max = 1'000}, config::Apply::live),
    config::option<&Config::alert_memory>("alerts.memory_mb",
                                          "Alert: a process has so many MiB resident, a minute long.",
                                          {.min = 0, .max = 100'000'000}, config::Apply::live),
    config::option<&Config::alert_disk_free>("alerts.disk_free_percent",
                                             "Alert: no more is free of the disk of the broker's log.",
                                             {.min = 0, .max = 100}, config::Apply::live),
    config::option<&Config::alert_certificate>("alerts.certificate_days",
                                               "Alert: an edge's certificate ends in so many days.",
                                               {.min = 0, .max = 3'650}, config::Apply::live),
    config::option<&Config::alert_maintenance>("alerts.maintenance_minutes",
                                               "Alert: maintenance has been on for so long.",
                                               {.min = 0, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::admin_roles_file>(
        "admin.roles_file",
        "File with more tokens for the admin API, a line each: viewer, operator or admin, a name, sha256: and the token's hash; tocsinctl token admin writes them.",
        {}, config::Apply::live),
    config::option<&Config::admin_loopback>(
        "admin.loopback",
        "Whoever connects from this host, and not through a proxy or browser, is an operator of the admin API without a token.",
        {}, config::Apply::live),
});
inline constexpr auto kOptions = config::joined(kOwnOptions, log::rows<&Config::log>());

}  // namespace tocsin::ops
