#pragma once
// Schedule: the broker's own backups: one every so often, old ones pruned. When the next one is due follows
// from the folder, so that restarts neither repeat nor forget one, and backups made by hand count.
//
// Invariant: one backup at a time; the destructor calls off what is under way, which leaves nothing behind.
// Thread: makes one of its own, of low priority; metrics are told from there.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "broker/backup/create.h"
#include "broker/backup/shelf.h"
#include "broker/metrics.h"
#include "common/clock.h"

namespace tocsin::broker::backup {

class Schedule {
 public:
  struct Options {
    CreateRequest request;
    Retention retention;
    std::chrono::seconds every{0};
  };
  Schedule(Options options, Metrics& metrics);
  ~Schedule();
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

 private:
  void work();
  [[nodiscard]] std::chrono::milliseconds until_due();
  void make_one();
  void wait(std::chrono::milliseconds time);

  Options options_;
  Metrics& metrics_;
  SystemClock clock_;
  std::atomic<bool> stopping_{false};
  std::chrono::milliseconds retry_{0};  ///< after a failure
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace tocsin::broker::backup
