#include "broker/backup/schedule.h"

#include <algorithm>
#include <exception>

#include "common/log/log.h"

namespace tocsin::broker::backup {
namespace {

constexpr std::chrono::milliseconds kRetryFirst{10'000};
constexpr std::chrono::milliseconds kRetryMost{600'000};
constexpr std::chrono::milliseconds kLook{60'000};  // the wall clock may be set, and files come and go

}  // namespace

Schedule::Schedule(Options options, Metrics& metrics) : options_(std::move(options)), metrics_(metrics) {
  options_.request.cancelled = &stopping_;
  metrics_.backup_interval.set(options_.every.count());
  thread_ = std::thread([this] { work(); });
}

Schedule::~Schedule() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Schedule::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [this] { return stopping_.load(); });
}

std::chrono::milliseconds Schedule::until_due() {
  const auto entries = list(options_.request.folder);
  if (!entries) return std::chrono::milliseconds(0);  // the backup then fails, and says why
  for (const Entry& entry : *entries) {
    if (!entry.manifest) continue;
    metrics_.backup_newest.set(entry.manifest->created_ms / 1'000);
    metrics_.backup_bytes.set(static_cast<std::int64_t>(entry.file_bytes));
    const std::chrono::milliseconds age(clock_.wall_ms() - entry.manifest->created_ms);
    if (age.count() < 0)
      return std::chrono::milliseconds(0);  // the clock was set back: nothing is known of it
    return std::max(std::chrono::milliseconds(0), std::chrono::milliseconds(options_.every) - age);
  }
  metrics_.backup_newest.set(0);
  return std::chrono::milliseconds(0);
}

void Schedule::make_one() {
  const auto made = create(options_.request);
  if (!made) {
    if (stopping_) return;
    metrics_.backups[1].add();
    retry_ = std::clamp(retry_ * 2, kRetryFirst, kRetryMost);
    log::error("a scheduled backup failed", {{"code", describe(made.error().code).name},
                                             {"detail", made.error().detail},
                                             {"again_in_ms", retry_.count()}});
    return;
  }
  retry_ = {};
  metrics_.backups[0].add();
  metrics_.backup_newest.set(made->manifest.created_ms / 1'000);
  metrics_.backup_bytes.set(static_cast<std::int64_t>(made->file_bytes));
  metrics_.backup_took_ms.set(static_cast<std::int64_t>(made->manifest.took_ms));
  log::info("backed up", {{"file", made->path},
                          {"bytes", made->file_bytes},
                          {"updates", made->manifest.updates},
                          {"took_ms", made->manifest.took_ms}});
  const auto pruned = prune(options_.request.folder, options_.retention, clock_.wall_ms(), true);
  if (!pruned) log::warn("old backups are not pruned", {{"reason", pruned.error().detail}});
}

void Schedule::work() {
  step_back();
  while (!stopping_) {
    try {
      const auto left = until_due();
      if (left.count() > 0) {
        wait(std::min(left, kLook));
        continue;
      }
      make_one();
    } catch (const std::exception& error) {  // out of memory, or OpenSSL without the hash
      log::error("a scheduled backup failed", {{"detail", error.what()}});
      retry_ = kRetryMost;
    }
    if (retry_.count() > 0) wait(retry_);
  }
}

}  // namespace tocsin::broker::backup
