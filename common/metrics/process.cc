#include "common/metrics/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "common/version.h"

namespace tocsin::metrics {
namespace {

double processor_seconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

double open_files() {
  std::error_code failed;
  std::filesystem::directory_iterator entry("/proc/self/fd", failed);
  double n = 0;
  for (; !failed && entry != std::filesystem::directory_iterator{}; entry.increment(failed)) ++n;
  return n;
}

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

double resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::int64_t all = 0;
  std::int64_t resident = 0;
  in >> all >> resident;
  return static_cast<double>(resident * ::sysconf(_SC_PAGESIZE));
}

ProcessMetrics::ProcessMetrics(Registry& registry)
    : build_(registry, Kind::gauge, "tocsin_build_info", "Always 1; the label is the version.", "version",
             {version()}),
      start_(registry, Kind::gauge, "process_start_time_seconds",
             "Start of the process, in seconds since 1970.", [at = now()] { return at; }),
      memory_(registry, Kind::gauge, "process_resident_memory_bytes", "Resident memory.", resident_bytes),
      processor_(registry, Kind::counter, "process_cpu_seconds_total", "User and system processor time.",
                 processor_seconds),
      files_(registry, Kind::gauge, "process_open_fds", "Open file descriptors.", open_files) {
  build_[0].add();
}

}  // namespace tocsin::metrics
