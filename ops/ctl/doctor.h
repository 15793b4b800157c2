#pragma once
// `tocsinctl doctor`: what is wrong with a cluster and its host, and what to do about it, on one screen.
// Looks and asks, changes nothing. Each check adds findings; a check that cannot look says so.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ops/ctl/commands.h"

namespace tocsin::ops {

class Api;

struct DoctorOptions : Common {
  std::string data;    ///< the broker's folder; empty: the local cluster's
  std::string folder;  ///< of backups; empty: beside the data
};
[[nodiscard]] int run_doctor(const DoctorOptions& options);

struct DoctorLine {
  Common* common = nullptr;
  int* exit_code = nullptr;
  DoctorOptions options;
};
void add_doctor(CLI::App& app, DoctorLine& line);

struct Finding {
  enum class Level : std::uint8_t { ok, warning, problem };
  Level level = Level::ok;
  std::string check;  ///< clock, limits, disk, ...
  std::string what;
  std::string todo;  ///< empty when it is ok
};

/// Findings in the order of the checks.
class Findings {
 public:
  void ok(std::string check, std::string what) {
    add({Finding::Level::ok, std::move(check), std::move(what), {}});
  }
  void warn(std::string check, std::string what, std::string todo) {
    add({Finding::Level::warning, std::move(check), std::move(what), std::move(todo)});
  }
  void bad(std::string check, std::string what, std::string todo) {
    add({Finding::Level::problem, std::move(check), std::move(what), std::move(todo)});
  }
  [[nodiscard]] const std::vector<Finding>& all() const noexcept { return all_; }
  [[nodiscard]] Finding::Level worst() const noexcept;

  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string to_json() const;
  [[nodiscard]] int exit_code() const noexcept;

 private:
  void add(Finding finding) { all_.push_back(std::move(finding)); }
  std::vector<Finding> all_;
};

// The checks. doctor_host.cc:
void check_clock(Findings& out);
void check_system(Findings& out);
void check_disk(Findings& out, const std::string& data_dir);
void check_backups(Findings& out, const std::string& folder, const std::string& data_dir, std::int64_t now_ms,
                   double every_s);
/// Of a process on this host; nothing when there is none, or it is another user's.
void check_files(Findings& out, const std::string& name, pid_t pid, std::uint64_t open);
/// What the settings of the local cluster in `cluster_dir` name as its edges' certificate; nothing without
/// one.
void check_certificate(Findings& out, const std::string& cluster_dir, const std::string& ca,
                       std::int64_t now_s);
// doctor_cluster.cc:
/// Asks every process. Returns the interval of the broker's own backups, in seconds; 0: none.
[[nodiscard]] double check_cluster(Findings& out, Api& api);

// doctor_clocks.cc:
/// The clock of a process, as its answer told it.
struct ClockSeen {
  std::string name;
  std::int64_t ahead_ms = 0;   ///< of this host's
  std::int64_t unsure_ms = 0;  ///< half of the time that the answer took
};
/// Names who is far from the others, and this host when it is the one.
void compare_clocks(Findings& out, const std::vector<ClockSeen>& clocks);

/// The soft limit of "Max open files" in the text of /proc/PID/limits; nothing when it is not there.
/// Unlimited is the largest number.
[[nodiscard]] std::optional<std::uint64_t> open_files_limit(std::string_view limits);

}  // namespace tocsin::ops
