#pragma once
// SupervisedProcess: one process that is kept running. Starts it, waits for its ready file, notices its end
// by pidfd (its parent may be another process: a supervisor that died), starts it again as RestartPolicy
// says, stops it.
//
//   idle -> starting -> ready -> ended -> waiting -> starting ...      stop(): any -> stopping -> stopped
//                                                                      replace(): ... -> stopped -> starting
//   hold(true): one that ended stays in waiting until hold(false).
//
// Invariant: at most one process of the name runs. Thread: the supervisor's loop; callbacks come from the
// loop, never from inside a call, and may call anything but the destructor.
#include <signal.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "common/loop/handles.h"
#include "common/loop/process_watch.h"
#include "common/result.h"
#include "ops/supervisor/child.h"
#include "ops/supervisor/process_id.h"
#include "ops/supervisor/restart_policy.h"

namespace tocsin::ops {

/// What a process says of itself once it serves.
struct ReadyInfo {
  std::string endpoint;  ///< the broker's link
  std::string http;
  std::string ws;
};
/// Fails unless the ready file is there, whole, and of process `pid`.
[[nodiscard]] Result<ReadyInfo> read_ready_file(const std::string& path, pid_t pid);

/// The reason why a program gave up, for people, from the last line of its log (plain text or a JSON log
/// line).
[[nodiscard]] std::string reason_from_log(const std::string& log_file);

class SupervisedProcess {
 public:
  struct Spec {
    std::string name;
    Program program;
    std::string ready_file;
    std::string fingerprint;
  };
  struct Limits {
    RestartPolicy::Limits restart;
    Millis start_timeout{30'000};
  };
  struct Events {
    std::function<void(SupervisedProcess&)> on_started;
    std::function<void(SupervisedProcess&)> on_ready;
    std::function<void(SupervisedProcess&, const std::string& how)> on_ended;  ///< it will be started again
    std::function<void(SupervisedProcess&, int exit_code)> on_hopeless;
    std::function<void(SupervisedProcess&)> on_stopped;
  };
  enum class State : std::uint8_t { idle, starting, ready, waiting, stopping, stopped };

  SupervisedProcess(loop::Loop& loop, const Clock& clock, Spec spec, Limits limits, Events events);

  void start();
  /// As if it had ended while held: it is started by hold(false).
  void rest();
  /// Takes charge of a process that runs already. Fails with not_found when it is not there any more.
  [[nodiscard]] Status adopt(ProcessId id);
  /// A signal, and SIGKILL after the time-out; on_stopped follows, also when nothing runs.
  struct Farewell {
    int signal = SIGTERM;
    Millis patience{10'000};
  };
  void stop(Farewell how);
  /// Stops it and starts it anew from `spec`, as if it had never run before; no on_stopped.
  void replace(Spec spec, Farewell how);
  /// While held, it is not started again when it ends by itself.
  void hold(bool on);
  /// Does not wait any longer.
  void kill();

  [[nodiscard]] const Spec& spec() const noexcept { return spec_; }
  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::optional<ProcessId> id() const noexcept { return id_; }
  [[nodiscard]] const ReadyInfo& info() const noexcept { return info_; }
  [[nodiscard]] std::uint32_t restarts() const noexcept { return policy_.restarts(); }
  [[nodiscard]] const std::string& last_end() const noexcept { return last_end_; }
  /// It ended and will not be started again: it cannot start.
  [[nodiscard]] bool hopeless() const noexcept { return policy_.state() == RestartPolicy::State::hopeless; }

 private:
  void launch();
  void watch_ready();
  void check_ready();
  void on_end(const loop::ProcessEnd& end);
  void after_end(std::optional<int> exit_code, const std::string& how);
  void finish_stop();

  loop::Loop& loop_;
  const Clock& clock_;
  Spec spec_;
  Limits limits_;
  Events events_;
  RestartPolicy policy_;
  State state_ = State::idle;
  std::optional<ProcessId> id_;
  ReadyInfo info_;
  std::string last_end_;
  std::optional<Spec> next_;  ///< what replace() was given, until the process before has stopped
  bool held_ = false;
  Instant started_{};
  std::unique_ptr<loop::ProcessWatch> watch_;
  loop::Timer timer_;
};

[[nodiscard]] std::string_view to_text(SupervisedProcess::State state) noexcept;

}  // namespace tocsin::ops
