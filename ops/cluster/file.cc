#include "ops/cluster/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tocsin::ops {
namespace {

Error failed(std::string_view what, const std::string& path) {
  const int reason = errno;
  const Errc code = reason == ENOENT ? Errc::not_found : reason == ENOSPC ? Errc::disk_full : Errc::io;
  return {code, std::string(what) + " " + path + ": " + std::strerror(reason)};
}

/// Closes at scope end.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int number() const noexcept { return fd_; }

 private:
  int fd_;
};

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return failed("cannot open", path);
  std::string out;
  char part[16384];
  for (;;) {
    const ssize_t n = ::read(file.number(), part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("cannot read", path);
    if (n == 0) return out;
    out.append(part, static_cast<std::size_t>(n));
    if (out.size() > max_bytes)
      return Error{Errc::too_large, path + " is longer than " + std::to_string(max_bytes) + " bytes"};
  }
}

Status make_folder(const std::string& path, mode_t mode) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (!part.empty() && ::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
      return failed("cannot make the folder", part);
    if (end == std::string::npos) break;
  }
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return failed("cannot use the folder", path);
  if (!S_ISDIR(found.st_mode)) return Error{Errc::io, path + " is not a folder"};
  return Done{};
}

Status check_writable(const std::string& path) {
  // access(2) says yes to root on a read-only mount and to owners of odd modes; making a file is the only
  // sure answer.
  const std::string probe = path + "/.writable-" + std::to_string(::getpid());
  Descriptor file(::open(probe.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (file.number() < 0)
    return failed("the folder cannot be written to, give another --dir or its permissions:", path);
  ::unlink(probe.c_str());
  return Done{};
}

std::string last_line(const std::string& path) {
  constexpr off_t kTail = 16384;
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return {};
  const off_t size = ::lseek(file.number(), 0, SEEK_END);
  if (size <= 0) return {};
  const off_t from = std::max<off_t>(0, size - kTail);
  std::string text(static_cast<std::size_t>(size - from), '\0');
  const ssize_t n = ::pread(file.number(), text.data(), text.size(), from);
  if (n <= 0) return {};
  text.resize(static_cast<std::size_t>(n));
  const auto end = text.find_last_not_of(" \t\r\n");
  if (end == std::string::npos) return {};
  text.resize(end + 1);
  const auto start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

}  // namespace tocsin::ops
