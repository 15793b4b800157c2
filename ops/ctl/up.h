#pragma once
// `tocsinctl up`: runs a local cluster in the foreground. It only watches the supervisor: starts it again
// when it dies (the new one adopts the running processes, which become this process's children meanwhile),
// and hands on signals.
#include <cstdint>
#include <string>

namespace tocsin::ops {

struct UpOptions {
  std::string dir = "tocsin-cluster";
  std::string config;
  std::int64_t edges = 2;
  std::int64_t port = 8080;
  bool json = false;
};

/// Returns the exit code once everything has stopped.
[[nodiscard]] int run_up(const UpOptions& options);

}  // namespace tocsin::ops
