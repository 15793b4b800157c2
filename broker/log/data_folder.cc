#include "broker/log/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/file.h"

namespace tocsin::broker {
namespace {

Error failed(const std::string& what, const std::string& path) {
  return {Errc::io, what + " " + path + ": " + std::strerror(errno)};
}

/// Takes the lock file, or says who to look for.
Result<int> lock(const std::string& path) {
  const std::string file = path + "/LOCK";
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed("cannot write in the data folder; make it writable for this user:", file);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
  ::close(fd);
  return Error{Errc::io,
               "the data folder " + path + " is in use by another broker; stop it or choose another folder"};
}

/// The id in CLUSTER, empty when there is none yet.
Result<std::string> cluster_of(const std::string& path, const std::string& wanted) {
  std::ifstream in(path + "/CLUSTER");
  std::string found;
  if (!in || !std::getline(in, found)) return std::string();
  if (!found.empty() && !wanted.empty() && found != wanted)
    return Error{Errc::conflict, "the data folder " + path + " belongs to cluster " + found + ", not " +
                                     wanted + "; choose another folder or set broker.cluster_id"};
  return found;
}

}  // namespace

DataFolder::DataFolder(std::string path, int lock_fd, int commits_fd)
    : path_(std::move(path)), lock_fd_(lock_fd), commits_fd_(commits_fd) {}
DataFolder::DataFolder(DataFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      commits_fd_(std::exchange(other.commits_fd_, -1)),
      cluster_id_(std::move(other.cluster_id_)),
      established_(other.established_) {}
DataFolder::~DataFolder() {
  if (commits_fd_ >= 0) ::close(commits_fd_);
  if (lock_fd_ >= 0) ::close(lock_fd_);  // releases the lock
}

Result<DataFolder> DataFolder::claim(const std::string& path, const std::string& cluster_id,
                                     const std::string& new_id) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) return Error{Errc::io, "cannot make the data folder " + path + ": " + ec.message()};
  const auto lock_fd = lock(path);
  if (!lock_fd) return lock_fd.error();
  auto found = cluster_of(path, cluster_id);
  if (!found) {
    ::close(*lock_fd);
    return found.error();
  }
  const std::string commits = path + "/COMMITS";
  const int fd = ::open(commits.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    Error error = failed("cannot write", commits);
    ::close(*lock_fd);
    return error;
  }
  DataFolder folder(path, *lock_fd, fd);
  folder.established_ = !found->empty();
  folder.cluster_id_ = folder.established_ ? *std::move(found) : cluster_id.empty() ? new_id : cluster_id;
  return folder;
}

Status DataFolder::establish() {
  if (established_) return Done{};
  if (auto written = write_atomically(path_ + "/CLUSTER", cluster_id_ + "\n", 0600); !written) return written;
  established_ = true;
  return Done{};
}

bool DataFolder::restored(std::uint64_t commits_in_database) const {
  if (std::filesystem::exists(path_ + "/RESTORED") || (!established_ && commits_in_database > 0)) return true;
  std::array<char, 20> text{};
  if (::pread(commits_fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) return false;
  std::uint64_t noted = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;  // a torn note says nothing
    noted = noted * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return noted > commits_in_database;
}

void DataFolder::forget_restored() {
  std::error_code ec;
  std::filesystem::remove(path_ + "/RESTORED", ec);
}

void DataFolder::note_commit(std::uint64_t number) {
  std::array<char, 20> text{};
  for (std::size_t i = text.size(); i-- > 0; number /= 10) text[i] = static_cast<char>('0' + number % 10);
  // A note that cannot be written is only a detection missed; the commit itself is safe.
  if (::pwrite(commits_fd_, text.data(), text.size(), 0) < 0) return;
}

}  // namespace tocsin::broker
