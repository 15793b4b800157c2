#include "ops/ctl/row_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace tocsin::ops {
namespace {

std::string folder() {
  const char* named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

Error failed(const std::string& what) {
  const int reason = errno;
  return {reason == ENOSPC ? Errc::disk_full : Errc::io, what + " a temporary file in " + folder() + ": " +
                                                             std::strerror(reason) +
                                                             " (TMPDIR names another folder)"};
}

}  // namespace

Result<RowFile> RowFile::make() {
  std::string path = folder() + "/tocsin-rows-XXXXXX";
  const int fd = ::mkstemp(path.data());
  if (fd < 0) return failed("cannot make");
  ::unlink(path.c_str());
  std::FILE* const file = ::fdopen(fd, "w+");
  if (file != nullptr) return RowFile(file);
  Error error = failed("cannot use");
  ::close(fd);
  return error;
}

Result<RowFile::Place> RowFile::add(std::string_view row) {
  if (std::fwrite(row.data(), 1, row.size(), file_.get()) != row.size()) return failed("cannot write");
  const Place place{size_, row.size()};
  size_ += row.size();
  return place;
}

Status RowFile::finish() {
  if (std::fflush(file_.get()) != 0) return failed("cannot write");
  return Done{};
}

Status RowFile::read(Place place, std::string& into) const {
  into.resize(place.size);
  for (std::size_t have = 0; have < place.size;) {
    const ssize_t n = ::pread(::fileno(file_.get()), into.data() + have, place.size - have,
                              static_cast<off_t>(place.at + have));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failed("cannot read");
    have += static_cast<std::size_t>(n);
  }
  return Done{};
}

}  // namespace tocsin::ops
