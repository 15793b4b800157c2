#include "common/loop/process_watch.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace tocsin::loop {
namespace {

// glibc 2.36 has wrappers for these, but its <sys/pidfd.h> clashes with <sys/wait.h> of older systems.
int open_pidfd(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)); }
int send_signal(int pidfd, int number) {
  return static_cast<int>(::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0U));
}

/// waitid's answer in the form of waitpid's, for WIFEXITED and its kin.
std::optional<int> reap(int pidfd) {
  siginfo_t info{};
  if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
    return std::nullopt;  // not our child
  if (info.si_code == CLD_EXITED) return (info.si_status & 0xff) << 8;
  return info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
}

Error last_error(std::string what) {
  const int error = errno;
  const Errc code = error == ESRCH ? Errc::not_found : error == EPERM ? Errc::forbidden : Errc::io;
  return {code, std::move(what) + ": " + std::strerror(error)};
}

}  // namespace

Result<std::unique_ptr<ProcessWatch>> ProcessWatch::open(Loop& loop, pid_t pid,
                                                         std::function<void(ProcessEnd)> on_end) {
  const int pidfd = open_pidfd(pid);
  if (pidfd < 0) return last_error("process " + std::to_string(pid));
  return std::unique_ptr<ProcessWatch>(new ProcessWatch(loop, pid, pidfd, std::move(on_end)));
}

ProcessWatch::ProcessWatch(Loop& loop, pid_t pid, int pidfd, std::function<void(ProcessEnd)> on_end)
    : pid_(pid),
      pidfd_(pidfd),
      on_end_(std::move(on_end)),
      poll_(loop, pidfd, [this](Events) { on_readable(); }) {
  poll_.watch({.readable = true});
}

ProcessWatch::~ProcessWatch() {
  poll_.stop();
  ::close(pidfd_);
}

Status ProcessWatch::signal(int number) {
  if (send_signal(pidfd_, number) != 0) return last_error("process " + std::to_string(pid_));
  return Done{};
}

void ProcessWatch::on_readable() {
  poll_.stop();
  // Local copies: the callback may destroy this watch.
  const ProcessEnd end{.pid = pid_, .status = reap(pidfd_)};
  const auto on_end = std::exchange(on_end_, nullptr);
  on_end(end);
}

}  // namespace tocsin::loop
