#include "ops/supervisor/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace tocsin::ops {
namespace {

constexpr off_t kLogMax = off_t{32} << 20;  ///< a longer log is put aside as .1 when its process starts

int open_log(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) == 0 && found.st_size > kLogMax)
    ::rename(path.c_str(), (path + ".1").c_str());
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

/// Between fork and exec: async-signal-safe calls only.
[[noreturn]] void become(char* const* argv, int log) {
  ::setpgid(0, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::signal(number, SIG_DFL);
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::close_range(3, ~0U, 0);
  ::execv(argv[0], argv);
  constexpr char kText[] = "this program cannot be run: ";
  const char* reason = std::strerror(errno);
  static_cast<void>(!::write(STDERR_FILENO, kText, sizeof kText - 1));
  static_cast<void>(!::write(STDERR_FILENO, argv[0], std::strlen(argv[0])));
  static_cast<void>(!::write(STDERR_FILENO, ": ", 2));
  static_cast<void>(!::write(STDERR_FILENO, reason, std::strlen(reason)));
  static_cast<void>(!::write(STDERR_FILENO, "\n", 1));
  ::_exit(127);
}

}  // namespace

Result<pid_t> spawn(const Program& program) {
  const int log = open_log(program.log_file);
  if (log < 0) return Error{Errc::io, "cannot write " + program.log_file + ": " + std::strerror(errno)};
  std::vector<std::string> copies = program.argv;
  std::vector<char*> argv;
  for (std::string& text : copies) argv.push_back(text.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) become(argv.data(), log);
  const int reason = errno;
  ::close(log);
  if (pid < 0) return Error{Errc::io, std::string("cannot start a process: ") + std::strerror(reason)};
  return pid;
}

}  // namespace tocsin::ops
