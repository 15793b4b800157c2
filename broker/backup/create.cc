#include "broker/backup/create.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "broker/backup/archive_writer.h"
#include "broker/backup/log_copy.h"
#include "broker/backup/shelf.h"
#include "common/clock.h"
#include "common/version.h"

namespace tocsin::broker::backup {
namespace {

using Steady = std::chrono::steady_clock;

Status make_folder(const std::string& folder) {
  std::error_code ec;
  const bool made = std::filesystem::create_directories(folder, ec);
  if (ec)
    return Error{Errc::io, "cannot make the folder " + folder + " for backups: " + ec.message() +
                               "; make it yourself, writable for the broker's user, or name another"};
  if (made) ::chmod(folder.c_str(), 0700);  // the keys of tickets are in there
  return Done{};
}

/// A log that somebody else owns would get files of ours beside it, which its broker could not open.
Status check_owner(const std::string& database) {
  struct stat info {};
  if (::stat(database.c_str(), &info) != 0)
    return Error{Errc::not_found, "there is no log " + database +
                                      "; name the broker's data folder (--data, or "
                                      "--cluster for that of a local cluster)"};
  if (info.st_uid == ::geteuid()) return Done{};
  return Error{Errc::io, "the log " + database + " belongs to user " + std::to_string(info.st_uid) +
                             "; run this as that user"};
}

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

/// Sleeps as much as keeps the mean at the rate.
class Pace {
 public:
  explicit Pace(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}
  void passed(std::size_t bytes) {
    if (bytes_per_s_ == 0) return;
    due_ += std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(bytes) / static_cast<double>(bytes_per_s_) * 1e9));
    std::this_thread::sleep_until(due_);
    due_ = std::max(due_, Steady::now() - std::chrono::milliseconds(100));
  }

 private:
  std::uint64_t bytes_per_s_;
  Steady::time_point due_ = Steady::now();
};

Error explain(const Error& error, const std::string& database) {
  if (error.code == Errc::disk_full || error.code == Errc::newer_schema || error.code == Errc::timeout)
    return error;
  return {error.code, "the log " + database + " cannot be backed up: " + error.detail};
}

}  // namespace

void step_back() {
  const auto self = static_cast<id_t>(::syscall(SYS_gettid));
  static_cast<void>(::setpriority(PRIO_PROCESS, self, 15));
  constexpr int kWhoProcess = 1, kBestEffort = 2, kClassShift = 13, kLowest = 7;
  static_cast<void>(::syscall(SYS_ioprio_set, kWhoProcess, 0, (kBestEffort << kClassShift) | kLowest));
}

Result<Created> create(const CreateRequest& request) {
  const std::string database = request.data_dir + "/log.db";
  if (auto ok = check_owner(database); !ok) return ok.error();
  if (auto ok = make_folder(request.folder); !ok) return ok.error();
  const SystemClock clock;
  const auto began = Steady::now();
  Created out;
  out.manifest.created_ms = clock.wall_ms();
  out.manifest.program = version();
  out.manifest.cluster = first_line(request.data_dir + "/CLUSTER");
  if (out.manifest.cluster.empty())
    return Error{
        Errc::not_found,
        request.data_dir + " has no CLUSTER beside its log: a broker that runs on it once writes it"};

  auto copy = LogCopy::open(database, out.manifest.cluster);
  if (!copy) return explain(copy.error(), database);
  out.path = free_name(request.folder, out.manifest.created_ms);
  auto writer = ArchiveWriter::create(out.path, {request.reserve_bytes});
  if (!writer) return writer.error();
  Pace pace(request.bytes_per_s);
  const auto sink = [&](std::string_view records) -> Status {
    if (request.cancelled != nullptr && request.cancelled->load(std::memory_order_relaxed))
      return Error{Errc::timeout, "the backup was called off"};
    auto added = (*writer)->add(records);
    if (added) pace.passed(records.size());
    return added;
  };
  if (auto copied = copy->run(sink, out.manifest); !copied) return explain(copied.error(), database);
  out.manifest.took_ms = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - began).count());
  if (auto done = (*writer)->finish(out.manifest); !done) return done.error();
  std::error_code ec;
  out.file_bytes = std::filesystem::file_size(out.path, ec);
  return out;
}

}  // namespace tocsin::broker::backup
