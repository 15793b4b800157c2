#include "common/log/file_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <utility>

namespace tocsin::log {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::chrono::seconds kOpenAgain{1};
constexpr std::chrono::seconds kRotateAgain{60};

/// Writes as much as the descriptor takes; the number of bytes.
std::size_t write_some(int fd, std::string_view bytes, int& fault) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n < 0 && errno != EINTR) {
      fault = errno;
      return done;
    }
  }
  fault = 0;
  return done;
}

}  // namespace

std::size_t StderrSink::write(std::string_view lines) {
  int fault = 0;
  return lines.size() - write_some(STDERR_FILENO, lines, fault);
}

FileSink::FileSink(std::string path, Rotation rotation) : path_(std::move(path)), rotation_(rotation) {
  (void)open();
}

FileSink::~FileSink() { close(); }

void FileSink::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

bool FileSink::open() {
  const auto now = SteadyClock::now();
  if (now < next_open_) return false;
  next_open_ = now + kOpenAgain;
  // A fifo without a reader is not waited for.
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
  if (fd_ < 0) {
    fault_ = errno;
    return false;
  }
  struct stat facts {};
  regular_ = ::fstat(fd_, &facts) == 0 && S_ISREG(facts.st_mode);
  size_ = regular_ ? facts.st_size : 0;
  torn_ = false;
  fault_ = 0;
  next_open_ = {};
  return true;
}

void FileSink::reopen() {
  close();
  next_open_ = {};
  (void)open();
}

/// FILE.1 becomes FILE.2 and so on, the oldest goes. When it cannot be done the file grows on.
void FileSink::rotate() {
  const auto now = SteadyClock::now();
  if (now < next_rotation_) return;
  // Another process that writes to the same file, or logrotate, may have been first.
  struct stat ours {};
  struct stat there {};
  if (::fstat(fd_, &ours) == 0 && (::stat(path_.c_str(), &there) != 0 || ours.st_ino != there.st_ino))
    return reopen();
  if (ours.st_size < rotation_.bytes / 2) {  // emptied in place
    size_ = ours.st_size;
    return;
  }
  const auto numbered = [&](std::int64_t n) { return path_ + "." + std::to_string(n); };
  for (std::int64_t n = rotation_.keep - 1; n >= 1; --n)
    (void)std::rename(numbered(n).c_str(), numbered(n + 1).c_str());  // most are not there
  if (std::rename(path_.c_str(), numbered(1).c_str()) != 0) {
    next_rotation_ = now + kRotateAgain;
    return;
  }
  reopen();
}

std::size_t FileSink::append(std::string_view bytes) {
  if (torn_ && write_some(fd_, "\n", fault_) == 0) return bytes.size();
  torn_ = false;
  const std::size_t done = write_some(fd_, bytes, fault_);
  size_ += static_cast<std::int64_t>(done);
  if (done == bytes.size()) return 0;
  // The line that was cut is handed back whole with those behind it.
  const auto whole = done == 0 ? std::string_view::npos : bytes.rfind('\n', done - 1);
  const std::size_t kept = whole == std::string_view::npos ? 0 : whole + 1;
  torn_ = kept < done;
  if (fault_ != ENOSPC && fault_ != EDQUOT && fault_ != EAGAIN) close();
  return bytes.size() - kept;
}

std::size_t FileSink::write(std::string_view lines) {
  while (!lines.empty()) {
    if (fd_ < 0 && !open()) return lines.size();
    std::size_t part = lines.size();
    if (rotation_.bytes > 0 && regular_) {
      if (size_ > 0 && size_ + static_cast<std::int64_t>(lines.find('\n')) >= rotation_.bytes) {
        rotate();
        if (fd_ < 0) return lines.size();
      }
      // As many lines as fit, one at least.
      const auto room = static_cast<std::size_t>(std::max<std::int64_t>(rotation_.bytes - size_, 1));
      if (part > room && regular_) {
        const auto end = lines.rfind('\n', room - 1);
        part = (end == std::string_view::npos ? lines.find('\n') : end) + 1;
      }
    }
    if (const auto left = append(lines.substr(0, part)); left > 0) return lines.size() - part + left;
    lines.remove_prefix(part);
  }
  return 0;
}

}  // namespace tocsin::log
