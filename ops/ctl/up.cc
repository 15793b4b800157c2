#include "ops/ctl/up.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "common/clock.h"
#include "ops/cluster/file.h"
#include "ops/cluster/folder.h"
#include "ops/ctl/exit_codes.h"
#include "ops/settings/settings.h"

namespace tocsin::ops {
namespace {

int complain(const std::string& sentence, int code) {
  std::fprintf(stderr, "tocsinctl up: %s\n", sentence.c_str());
  return code;
}

std::string supervisor_program() {
  char path[PATH_MAX];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string self(path, n > 0 ? static_cast<std::size_t>(n) : 0);
  return self.substr(0, self.rfind('/')) + "/tocsin-supervisor";
}

/// One supervisor at a time, until it ends for good.
class Foreground {
 public:
  Foreground(std::vector<std::string> argv, sigset_t watched) : argv_(std::move(argv)), watched_(watched) {}

  int run() {
    if (!launch()) return kExitFailure;
    for (;;) {
      siginfo_t info{};
      const timespec wait{.tv_sec = 0, .tv_nsec = 100'000'000};
      const int number = ::sigtimedwait(&watched_, &info, &wait);
      if (number == SIGINT || number == SIGTERM || number == SIGHUP) pass_on_stop();
      if (const auto code = reap()) return *code;
      if (pid_ == 0 && clock_.steady() >= start_at_ && !launch()) return kExitFailure;
    }
  }

 private:
  bool launch() {
    std::vector<char*> argv;
    for (std::string& word : argv_) argv.push_back(word.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      // Its own group: Ctrl-C reaches this process only, which stops things in order. If this process is
      // killed, the cluster stops: nobody would be left to start a dead supervisor again. SIGTERM stays
      // blocked until the supervisor listens to it.
      ::setpgid(0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(kExitFailure);
      ::execv(argv[0], argv.data());
      std::fprintf(stderr, "tocsinctl up: %s cannot be run: %s\n", argv[0], std::strerror(errno));
      ::_exit(kExitCannotStart);
    }
    if (pid_ < 0) {
      complain(std::string("cannot start a process: ") + std::strerror(errno), kExitFailure);
      return false;
    }
    started_ = clock_.steady();
    if (stopping_) ::kill(pid_, SIGTERM);  // the one before died in the middle of stopping
    return true;
  }

  void pass_on_stop() {
    if (!stopping_) std::fprintf(stderr, "tocsinctl up: stopping; once more hurries\n");
    stopping_ = true;
    if (pid_ > 0) ::kill(pid_, SIGTERM);
  }

  /// Waits for every child that ended; those of a supervisor that died are ours now.
  std::optional<int> reap() {
    for (;;) {
      int status = 0;
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended <= 0) return std::nullopt;
      if (ended != pid_) continue;
      pid_ = 0;
      const bool final =
          WIFEXITED(status) && (WEXITSTATUS(status) == kExitOk || WEXITSTATUS(status) == kExitUsage ||
                                WEXITSTATUS(status) == kExitCannotStart);
      if (final) return WEXITSTATUS(status);
      const Instant now = clock_.steady();
      delay_ = now - started_ > Millis{10'000}
                   ? Millis{0}
                   : std::min(Millis{5'000}, delay_ * 2 + Millis{first_ ? 0 : 100});
      first_ = false;
      start_at_ = now + delay_;
      std::fprintf(stderr, "tocsinctl up: the supervisor died; starting it again (updates flow meanwhile)\n");
    }
  }

  std::vector<std::string> argv_;
  sigset_t watched_;
  SystemClock clock_;
  pid_t pid_ = 0;
  bool stopping_ = false;
  bool first_ = true;
  Millis delay_{0};
  Instant started_{};
  Instant start_at_{};
};

}  // namespace

int run_up(const UpOptions& options) {
  if (!options.config.empty()) {
    const auto complaints = settings::check(options.config, config::process_environment());
    for (const std::string& text : complaints) complain(text, kExitUsage);
    if (!complaints.empty()) return kExitUsage;
  }
  const auto folder = open_folder(options.dir);
  if (!folder) return complain(folder.error().detail, kExitCannotStart);
  const auto lock = FolderLock::take(folder->lock_file("up"));
  if (!lock) {
    const bool held = lock.error().code == Errc::conflict;
    return complain(held ? "a cluster is up in " + folder->root + " already (" + lock.error().detail +
                               "); stop that one or give another --dir"
                         : lock.error().detail,
                    kExitCannotStart);
  }
  sigset_t watched;
  ::sigemptyset(&watched);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) ::sigaddset(&watched, number);
  ::sigprocmask(SIG_BLOCK, &watched, nullptr);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  std::vector<std::string> argv{supervisor_program(),
                                "--cluster-dir",
                                folder->root,
                                "--cluster-edges",
                                std::to_string(options.edges),
                                "--cluster-port",
                                std::to_string(options.port),
                                "--supervisor-announce",
                                options.json ? "json" : "text"};
  if (!options.config.empty()) {
    char absolute[PATH_MAX];
    argv.insert(
        argv.end(),
        {"--config", ::realpath(options.config.c_str(), absolute) != nullptr ? absolute : options.config});
  }
  return Foreground(std::move(argv), watched).run();
}

}  // namespace tocsin::ops
