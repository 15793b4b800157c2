#pragma once
// Writer: the thread that writes the log, behind a bounded queue, so that a slow disk or a stopped terminal
// never holds up a loop.
//
// Invariant: put() waits for no sink. Lines of one sink keep their order. What finds no room is dropped,
// counted, and told in the stream as soon as there is room again; what a file does not take goes to standard
// error. Thread: put() from any; sinks are touched by the writer's thread only, which starts with the first
// line. The destructor gives it two seconds for what is left.
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/log/level.h"
#include "common/log/sink.h"
#include "common/log/syslog.h"

namespace tocsin::log {

/// What became of lines since the process began.
struct Tally {
  std::atomic<std::uint64_t> dropped{0};      ///< the queue was full
  std::atomic<std::uint64_t> failed{0};       ///< a file did not take them; they went to standard error
  std::atomic<std::uint64_t> syslog_lost{0};  ///< not sent
  std::atomic<std::uint64_t> audit_lost{0};   ///< of the dropped and failed ones: lines of the audit log
};

struct Item {
  std::shared_ptr<Sink> sink;
  std::shared_ptr<Syslog> syslog;  ///< null: not there
  Level level = Level::info;
  std::string event_type;  ///< for syslog only
  std::shared_ptr<const std::string> component;
  std::string line;    ///< without its newline
  bool audit = false;  ///< of the audit log
};

class Writer {
 public:
  Writer();
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void limit(std::size_t max_bytes);
  /// False when it was dropped.
  bool put(Item item);
  /// Every sink in `sinks` is reopened before the next line is written.
  void reopen(std::vector<std::shared_ptr<Sink>> sinks);
  /// Waits until everything that was put is written, five seconds at most.
  void flush();
  [[nodiscard]] const Tally& tally() const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< the thread's too: one that hangs in a write outlives this
  std::thread thread_;
};

}  // namespace tocsin::log
