#pragma once
// Every setting of the broker. Adding a row here is the whole change: see common/config/option.h.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/config/option.h"
#include "common/log/settings.h"
#include "common/trace/settings.h"

namespace tocsin::broker {

using Millis = std::chrono::milliseconds;

/// What an acknowledgement promises for the channels that no pattern of `log.memory_channels` names.
enum class DefaultDurability : std::uint8_t { disk, memory };

struct Config {
  std::string listen = "tcp://127.0.0.1:7400";
  std::string data_dir = "tocsin-data";
  std::string http_listen = "127.0.0.1:7401";
  std::string cluster_id;
  std::string ready_file;

  std::int64_t history_max_count = 200'000;
  std::int64_t history_max_bytes = 256LL << 20;
  std::int64_t history_max_age_s = 7 * 86'400;
  std::int64_t dedup_window = 200'000;
  DefaultDurability durability = DefaultDurability::disk;
  std::vector<std::string> memory_channels;
  std::int64_t channels_max = 100'000;
  std::int64_t update_max_bytes = 262'144;
  std::int64_t group_max_count = 8'192;
  std::int64_t group_max_bytes = 16LL << 20;
  std::int64_t publish_window = 4'096;
  std::int64_t incident_cache_bytes = 64LL << 20;

  Millis heartbeat{1'000};
  Millis peer_silence{5'000};
  std::int64_t peers_max = 4'096;
  std::int64_t lag_max_bytes = 8LL << 20;
  std::int64_t read_max_count = 2'000;
  std::int64_t read_max_bytes = 1LL << 20;
  std::int64_t snapshots_max = 32;
  Millis snapshot_timeout{30'000};
  std::int64_t session_ttl_s = 120;
  std::int64_t session_max_bytes = 65'536;
  std::int64_t ticket_key_rotate_s = 86'400;
  std::int64_t ticket_key_keep_s = 8 * 86'400;
  std::int64_t revocations_max = 10'000;

  std::int64_t backup_every_s = 0;
  std::string backup_folder;
  std::int64_t backup_keep = 24;
  std::int64_t backup_keep_days = 0;
  std::int64_t backup_rate_mb = 32;
  std::int64_t backup_reserve_mb = 512;

  std::string admin_token_file;
  std::string admin_roles_file;
  bool admin_loopback = false;
  std::string curve_key_file;
  std::string curve_allow_dir;
  log::Settings log;
  trace::Settings trace;
};

inline constexpr std::int64_t kNoLimit = 1LL << 52;

}  // namespace tocsin::broker

template <>
struct tocsin::config::EnumNames<tocsin::broker::DefaultDurability> {
  static constexpr auto kNames = std::to_array<std::string_view>({"disk", "memory"});
};

namespace tocsin::broker {

inline constexpr auto kOwnOptions = std::to_array({
    config::option<&Config::listen>("broker.listen",
                                    "ZeroMQ endpoint for edges and publishers; port 0 takes a free one."),
    config::option<&Config::data_dir>("broker.data_dir", "Folder of the log and the current state."),
    config::option<&Config::http_listen>("broker.http_listen",
                                         "host:port of /health and /metrics; empty: none."),
    config::option<&Config::cluster_id>(
        "broker.cluster_id", "Cluster the folder must belong to; empty: take what it says, or make one up."),
    config::option<&Config::ready_file>("run.ready_file",
                                        "File written once the process serves, with its addresses as JSON."),
    config::option<&Config::history_max_count>("log.history_max_count",
                                               "Updates kept per channel for catching up.",
                                               {.min = 1, .max = kNoLimit}, config::Apply::live),
    config::option<&Config::history_max_bytes>("log.history_max_bytes", "Bytes of updates kept per channel.",
                                               {.min = 1'024, .max = kNoLimit}, config::Apply::live),
    config::option<&Config::history_max_age_s>("log.history_max_age_s",
                                               "Age in seconds up to which updates are kept.",
                                               {.min = 1, .max = kNoLimit}, config::Apply::live),
    config::option<&Config::dedup_window>(
        "log.dedup_window", "Newest updates of a channel among which an event_id is recognised again.",
        {.min = 1, .max = 10'000'000}),
    config::option<&Config::durability>("log.durability",
                                        "What an acknowledgement promises: kept on disk, or in memory only."),
    config::option<&Config::memory_channels>(
        "log.memory_channels",
        "Patterns (* any text) of channels kept in memory only; their history ends with the process."),
    config::option<&Config::channels_max>("log.channels_max", "Channels that may exist.",
                                          {.min = 1, .max = 10'000'000}, config::Apply::live),
    config::option<&Config::update_max_bytes>("log.update_max_bytes",
                                              "Largest update, and largest incident after a change.",
                                              {.min = 1'024, .max = 16'777'216}, config::Apply::live),
    config::option<&Config::group_max_count>(
        "log.group_max_count", "Updates that may gather while a group is being committed; more are refused.",
        {.min = 1, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::group_max_bytes>("log.group_max_bytes",
                                             "Bytes that may gather while a group is being committed.",
                                             {.min = 65'536, .max = kNoLimit}, config::Apply::live),
    config::option<&Config::publish_window>("log.publish_window",
                                            "Unanswered updates one publisher may have; more are refused.",
                                            {.min = 1, .max = 1'000'000}),
    config::option<&Config::incident_cache_bytes>(
        "log.incident_cache_bytes",
        "Memory for current incidents; others are read from disk when they change.",
        {.min = 0, .max = kNoLimit}),
    config::option<&Config::heartbeat>("link.heartbeat_ms", "Time between heartbeats to edges.",
                                       {.min = 100, .max = 60'000}),
    config::option<&Config::peer_silence>("link.peer_silence_ms", "Silence after which a peer is gone.",
                                          {.min = 300, .max = 600'000}, config::Apply::live),
    config::option<&Config::peers_max>("link.peers_max", "Edges and publishers that may be connected.",
                                       {.min = 1, .max = 1'000'000}, config::Apply::live),
    config::option<&Config::lag_max_bytes>(
        "link.lag_max_bytes",
        "Updates sent to an edge and not yet received, in bytes, beyond which it catches up by reading.",
        {.min = 65'536, .max = kNoLimit}, config::Apply::live),
    config::option<&Config::read_max_count>("link.read_max_count", "Updates in one page of history.",
                                            {.min = 1, .max = 100'000}, config::Apply::live),
    config::option<&Config::read_max_bytes>("link.read_max_bytes", "Bytes in one page of history or state.",
                                            {.min = 65'536, .max = 64LL << 20}, config::Apply::live),
    config::option<&Config::snapshots_max>("link.snapshots_max", "Snapshots that may be read at once.",
                                           {.min = 1, .max = 1'000}, config::Apply::live),
    config::option<&Config::snapshot_timeout>("link.snapshot_timeout_ms",
                                              "Idle time after which a snapshot is given up.",
                                              {.min = 1'000, .max = 600'000}, config::Apply::live),
    config::option<&Config::session_ttl_s>("session.ttl_s",
                                           "Seconds a session can be resumed after its socket is gone.",
                                           {.min = 1, .max = 86'400}, config::Apply::live),
    config::option<&Config::session_max_bytes>("session.record_max_bytes", "Largest resume record.",
                                               {.min = 1'024, .max = 1LL << 20}, config::Apply::live),
    config::option<&Config::ticket_key_rotate_s>(
        "session.ticket_key_rotate_s", "Seconds after which tickets are signed with a new key; 0: never.",
        {.min = 0, .max = 10 * 365 * 86'400}, config::Apply::live),
    config::option<&Config::ticket_key_keep_s>(
        "session.ticket_key_keep_s",
        "Seconds a key that signs no more is still good, at least as long as the edges' session.ticket_ttl_ms.",
        {.min = 1, .max = 10 * 365 * 86'400}, config::Apply::live),
    config::option<&Config::revocations_max>(
        "auth.revocations_max",
        "Tokens and subjects that can be revoked at a time; each ends with the longest token that it is for.",
        {.min = 1, .max = 1'000'000}),
    config::option<&Config::backup_every_s>("backup.every_s",
                                            "Seconds between two backups that the broker makes; 0: none.",
                                            {.min = 0, .max = 366 * 86'400}),
    config::option<&Config::backup_folder>(
        "backup.folder", "Folder of backups, best on another disk; empty: backups, beside broker.data_dir."),
    config::option<&Config::backup_keep>("backup.keep", "Newest backups that are kept; 0: however many.",
                                         {.min = 0, .max = 1'000'000}),
    config::option<&Config::backup_keep_days>(
        "backup.keep_days", "Days that a backup is kept; 0: however many.", {.min = 0, .max = 36'500}),
    config::option<&Config::backup_rate_mb>(
        "backup.rate_mb_per_s",
        "MiB of the log that a backup reads in a second, so that publishers do not wait; 0: as fast as it goes.",
        {.min = 0, .max = 100'000}),
    config::option<&Config::backup_reserve_mb>("backup.reserve_mb",
                                               "MiB that a backup leaves free on its disk, or else fails.",
                                               {.min = 0, .max = 1LL << 40}),
    config::option<&Config::curve_key_file>(
        "curve.key_file", "This process's key pair (JSON, mode 0600); empty: no encryption.", {},
        config::Apply::live),
    config::option<&Config::curve_allow_dir>(
        "curve.allow_dir",
        "Folder of the public keys that may connect, each in <holder>.pub, read again while running; an edge's holder is its id. Empty: any.",
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
});
inline constexpr auto kOptions =
    config::joined(kOwnOptions, config::joined(log::rows<&Config::log>(), trace::rows<&Config::trace>()));

}  // namespace tocsin::broker
