#pragma once
// ProcessWatch: learns of the end of a process, be it a child or not, by its pidfd; signals it without ever
// hitting another process that has got the same number.
//
// Invariant: the callback comes at most once, on the loop's thread; afterwards the watch is inert.
#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>

#include "common/loop/handles.h"
#include "common/result.h"

namespace tocsin::loop {

/// How a process ended; `status` is that of waitpid(2), known for our own children only.
struct ProcessEnd {
  pid_t pid;
  std::optional<int> status;
};

class ProcessWatch {
 public:
  /// Fails with not_found if there is no such process (it may have ended and been waited for), io otherwise.
  /// A child that ends is waited for by the watch: nobody else should.
  [[nodiscard]] static Result<std::unique_ptr<ProcessWatch>> open(Loop& loop, pid_t pid,
                                                                  std::function<void(ProcessEnd)> on_end);
  ~ProcessWatch();
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  /// Fails with not_found once the process has ended, forbidden if it belongs to someone else.
  Status signal(int number);
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  ProcessWatch(Loop& loop, pid_t pid, int pidfd, std::function<void(ProcessEnd)> on_end);
  void on_readable();

  const pid_t pid_;
  const int pidfd_;
  std::function<void(ProcessEnd)> on_end_;
  Poll poll_;
};

}  // namespace tocsin::loop
