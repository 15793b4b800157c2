#include "common/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace tocsin {

Status write_atomically(const std::string& path, std::string_view bytes, mode_t mode) {
  const std::string beside = path + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return Error{Errc::io, beside + ": " + std::strerror(errno)};
  const bool written = ::fchmod(fd, mode) == 0 &&
                       ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                       ::fsync(fd) == 0;
  const int why = errno;
  ::close(fd);
  if (written && ::rename(beside.c_str(), path.c_str()) == 0) return Done{};
  const Error error{Errc::io, path + ": " + std::strerror(written ? errno : why)};
  ::unlink(beside.c_str());
  return error;
}

Result<std::string> read_secret(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  if (!in) return Error{Errc::io, path + ": " + std::strerror(errno)};
  std::getline(in, line);
  while (!line.empty() && static_cast<unsigned char>(line.back()) <= ' ') line.pop_back();
  if (line.empty()) return Error{Errc::invalid_argument, path + ": it holds nothing"};
  return line;
}

}  // namespace tocsin
