#pragma once
// The commands of tocsinctl. Each takes its options as a struct, prints to stdout (people's text, or JSON
// with `json`), complains on stderr and returns an exit code (exit_codes.h). main.cc fills the structs from
// the command line.
#include <cstdint>
#include <string>
#include <vector>

namespace tocsin::ops {

/// What every command has.
struct Common {
  std::string cluster;     ///< --cluster; empty: found as find_cluster_file() says
  std::string ca;          ///< --ca: whose certificates an edge with TLS may have; empty: the system's
  std::string token_file;  ///< --token-file: what to show to edges that ask; empty: $TOCSIN_TOKEN, or none
  bool json = false;
};

struct StatusOptions : Common {};
[[nodiscard]] int run_status(const StatusOptions& options);

struct HealthOptions : Common {
  std::string url;  ///< empty: $TOCSIN_HEALTH_URL, else an edge's on this host
};
[[nodiscard]] int run_health(const HealthOptions& options);

struct PublishOptions : Common {
  std::string channel = "incidents";
  std::string kind;
  std::string key;
  std::string event_id;
  std::string actor;
  std::vector<std::string> set;  ///< member=value of the incident
  std::string event;             ///< name of an application event; --data is its JSON
  std::string data;
  std::int64_t if_version = -1;
  std::string file;  ///< "-": stdin; JSON or NDJSON
};
[[nodiscard]] int run_publish(const PublishOptions& options);

struct IncidentsOptions : Common {
  std::string channel = "incidents";
  std::vector<std::string> filter;
  std::string id;  ///< not empty: that one
  std::uint64_t limit = 50;
};
[[nodiscard]] int run_incidents(const IncidentsOptions& options);

struct TailOptions : Common {
  std::string channel = "incidents";
  std::vector<std::string> filter;
  std::string since;
  bool snapshot = false;
  std::uint64_t count = 0;  ///< end after so many updates; 0: never
  std::string until_quiet;  ///< end after so long without an update
  std::string edge;         ///< start with this one
};
[[nodiscard]] int run_tail(const TailOptions& options);

enum class Via : std::uint8_t { ingest, http };
struct ReplayOptions : Common {
  std::string file;
  std::string speed = "max";
  std::string channel = "incidents";
  std::uint64_t limit = 0;
  Via via = Via::ingest;
  bool strict = false;  ///< stop at the first bad row
};
[[nodiscard]] int run_replay_servicenow(const ReplayOptions& options);

struct DemoOptions : Common {
  std::string channel = "incidents";
  double rate = 5;
  std::string duration;    ///< empty: until stopped
  std::uint64_t seed = 0;  ///< 0: another story each time
  Via via = Via::ingest;
};
[[nodiscard]] int run_demo(const DemoOptions& options);

[[nodiscard]] int run_check_config(const std::string& file, bool json);

}  // namespace tocsin::ops
