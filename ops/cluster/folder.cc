#include "ops/cluster/folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "ops/cluster/file.h"

namespace tocsin::ops {

Result<Folder> open_folder(const std::string& path) {
  if (auto made = make_folder(path); !made) return made.error();
  char absolute[PATH_MAX];
  if (::realpath(path.c_str(), absolute) == nullptr) return Error{Errc::io, "cannot use the folder " + path};
  Folder folder{absolute};
  if (auto ok = check_writable(folder.root); !ok) return ok.error();
  for (const std::string& part : {folder.data(), folder.logs(), folder.run(), folder.plans()}) {
    if (auto made = make_folder(part); !made) return made.error();
  }
  for (const std::string& part : {folder.keys(), folder.allowed_keys()}) {
    if (auto made = make_folder(part, 0700); !made) return made.error();
  }
  return folder;
}

Result<FolderLock> FolderLock::take(const std::string& path, Millis patience) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Error{Errc::io, "cannot open " + path + ": " + std::strerror(errno)};
  FolderLock lock(fd);
  const SystemClock clock;
  const Instant until = clock.steady() + patience;
  bool held = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  while (!held && clock.steady() < until) {
    ::usleep(20'000);
    held = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  }
  if (!held) {
    auto holder = read_file(path, 64);
    return Error{Errc::conflict, holder && !holder->empty() ? "process " + *holder : "another process"};
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0)
    return Error{Errc::io, "cannot write " + path + ": " + std::strerror(errno)};
  return lock;
}

FolderLock::FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tocsin::ops
