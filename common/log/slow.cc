#include "common/log/slow.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "common/log/log.h"

namespace tocsin::log {

std::optional<SlowBook::Told> SlowBook::saw(std::string_view kind, std::int64_t now_ms,
                                            std::int64_t took_ms) {
  auto at = std::find_if(kinds_.begin(), kinds_.end() - 1,
                         [&](const Kind& known) { return known.name.empty() || known.name == kind; });
  at->name = kind;
  ++at->since.times;
  at->since.worst_ms = std::max(at->since.worst_ms, took_ms);
  if (now_ms < at->next_ms) return std::nullopt;
  at->next_ms = now_ms + kEveryMs;
  return std::exchange(at->since, {0, 0});
}

void slow(std::string_view kind, std::string_view message, std::int64_t took_ms, const Field& about) {
  const std::int64_t least = slow_ms();
  if (least == 0 || took_ms < least) return;
  const Topic topic{Category::performance, kind};
  if (!enabled(Level::warn, topic.category)) return;
  static std::mutex mutex;  // the book is the process' as the log is
  static SlowBook book;
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  std::optional<SlowBook::Told> told;
  {
    const std::scoped_lock lock(mutex);
    told = book.saw(kind, std::chrono::duration_cast<Millis>(now).count(), took_ms);
  }
  if (told)
    write(Level::warn, topic, message,
          {{"duration_ms", took_ms}, about, {"times", told->times}, {"worst_ms", told->worst_ms}});
}

void LoopLag::tick(Instant now) {
  const auto last = std::exchange(last_, now);
  if (last)
    slow("loop_lag", "the loop was held up", (now - *last - period_).count(), {"period_ms", period_.count()});
}

}  // namespace tocsin::log
