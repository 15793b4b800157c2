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
  return Error{Errc::io, "the data folder " + path + " is in use by another broker; stop it or choose another folder"};
}

Status write_synced(const std::string& file, const std::string& text) {
  const std::string temporary = file + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("cannot write", temporary);
  const bool ok = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!ok || ::rename(temporary.c_str(), file.c_str()) != 0) return failed("cannot write", file);
  return Done{};
}

Result<std::string> settle_cluster(const std::string& path, const std::string& wanted, const std::string& new_id) {
  const std::string file = path + "/CLUSTER";
  std::ifstream in(file);
  std::string found;
  if (in && std::getline(in, found) && !found.empty()) {
    if (!wanted.empty() && found != wanted)
      return Error{Errc::conflict, "the data folder " + path + " belongs to cluster " + found + ", not " + wanted +
                                       "; choose another folder or set broker.cluster_id"};
    return found;
  }
  std::string id = wanted.empty() ? new_id : wanted;
  if (auto s = write_synced(file, id + "\n"); !s) return s.error();
  return id;
}

}  // namespace

DataFolder::DataFolder(std::string path, int lock_fd, int commits_fd, std::string cluster_id)
    : path_(std::move(path)), lock_fd_(lock_fd), commits_fd_(commits_fd), cluster_id_(std::move(cluster_id)) {}
DataFolder::DataFolder(DataFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      commits_fd_(std::exchange(other.commits_fd_, -1)),
      cluster_id_(std::move(other.cluster_id_)) {}
DataFolder::~DataFolder() {
  if (commits_fd_ >= 0) ::close(commits_fd_);
  if (lock_fd_ >= 0) ::close(lock_fd_);  // releases the lock
}

Result<DataFolder> DataFolder::claim(const std::string& path, const std::string& cluster_id, const std::string& new_id) {
  std::error_code ec;
  std::filesystem::create_directories(path, ec);
  if (ec) return Error{Errc::io, "cannot make the data folder " + path + ": " + ec.message()};
  const auto lock_fd = lock(path);
  if (!lock_fd) return lock_fd.error();
  auto id = settle_cluster(path, cluster_id, new_id);
  if (!id) {
    ::close(*lock_fd);
    return id.error();
  }
  const std::string commits = path + "/COMMITS";
  const int fd = ::open(commits.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    Error error = failed("cannot write", commits);
    ::close(*lock_fd);
    return error;
  }
  return DataFolder(path, *lock_fd, fd, *std::move(id));
}

bool DataFolder::restored(std::uint64_t commits_in_database) const {
  if (std::filesystem::exists(path_ + "/RESTORED")) return true;
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
