#include "broker/log/wal_ahead.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

namespace tocsin::broker {
namespace {
constexpr std::uint64_t kPiece = 256 * 1024;  // a commit that comes meanwhile waits for one of them
constexpr std::uint64_t kRoom = 16;           // times what is filled must be free
}  // namespace

WalAhead::~WalAhead() {
  if (fd_ >= 0) ::close(fd_);
}

bool WalAhead::open() {
  if (fd_ >= 0) return true;
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);  // SQLite makes it
  struct statvfs disk {};
  return fd_ >= 0 && ::fstatvfs(fd_, &disk) == 0 &&
         std::uint64_t{disk.f_bavail} * disk.f_frsize >= bytes_ * kRoom;
}

bool WalAhead::step() {
  if (over_) return false;
  over_ = true;
  struct stat now {};
  if (!open() || ::fstat(fd_, &now) != 0) return false;
  const auto size = static_cast<std::uint64_t>(now.st_size);
  if (size >= bytes_) return false;
  const std::string zeros(static_cast<std::size_t>(std::min(kPiece, bytes_ - size)), '\0');
  if (::pwrite(fd_, zeros.data(), zeros.size(), now.st_size) != static_cast<ssize_t>(zeros.size()) ||
      ::fdatasync(fd_) != 0)
    return false;
  over_ = false;
  return true;
}

}  // namespace tocsin::broker
