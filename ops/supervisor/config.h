#pragma once
// Every setting of the supervisor. Adding a row here is the whole change: see common/config/option.h.
#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "common/config/option.h"
#include "common/log/level.h"

namespace tocsin::ops {

enum class Announce : std::uint8_t { text, json, none };

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
  log::Level log_level = log::Level::info;
};

}  // namespace tocsin::ops

template <>
struct tocsin::config::EnumNames<tocsin::ops::Announce> {
  static constexpr auto kNames = std::to_array<std::string_view>({"text", "json", "none"});
};

namespace tocsin::ops {

inline constexpr auto kOptions = std::to_array({
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
    config::option<&Config::log_level>("log.level", "Least level of the lines written.", {},
                                       config::Apply::live),
});

}  // namespace tocsin::ops
