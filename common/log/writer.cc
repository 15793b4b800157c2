#include "common/log/writer.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <span>
#include <utility>

#include "common/log/file_sink.h"
#include "common/log/line.h"

namespace tocsin::log {
namespace {

using SteadyClock = std::chrono::steady_clock;
/// Lines that come close together are written together: a wake-up costs the loop's processor as well.
constexpr std::chrono::milliseconds kGather{5};
constexpr std::chrono::seconds kLastWords{2};
constexpr std::chrono::seconds kFlush{5};
constexpr std::chrono::seconds kComplainEvery{10};
constexpr std::size_t kItemCost = 128;  // beside its text
constexpr std::size_t kMaxRun = 256U << 10U;

std::size_t cost(const Item& item) { return item.line.size() + kItemCost; }

std::int64_t wall_ms() {
  using std::chrono::duration_cast;
  return duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct Writer::State {
  std::mutex mutex;  // guards everything down to `busy`; held for a push or a swap only
  std::condition_variable wake;
  std::condition_variable idle;
  std::vector<Item> queue;
  std::vector<std::shared_ptr<Sink>> to_reopen;
  std::size_t bytes = 0;
  std::size_t max_bytes = 4U << 20U;
  std::uint64_t dropped = 0;  ///< not told yet
  bool stopping = false;
  bool finished = false;
  bool busy = false;  ///< the writer has lines in hand

  Tally tally;
  StderrSink spill;
  std::string run;  ///< scratch of the thread
  SteadyClock::time_point next_complaint{};

  void work();
  void write(const std::vector<Item>& items, std::uint64_t missing);
  /// Writes `run`; its lines are those of `items`, or its last ones are.
  void flush_run(Sink& sink, std::span<const Item> items);
  void complain(const FileSink& file, const std::string& component);
};

void Writer::State::complain(const FileSink& file, const std::string& component) {
  const auto now = SteadyClock::now();
  if (now < next_complaint) return;
  next_complaint = now + kComplainEvery;
  const std::string why = std::strerror(file.fault());  // NOLINT(concurrency-mt-unsafe): glibc's is
  spill.write(text({wall_ms(),
                    Level::error,
                    {Category::error, "log_file_unusable"},
                    component,
                    "a log file takes no lines; they come here until it does",
                    0},
                   {{"file", file.path()}, {"error_details", why}}) +
              "\n");
}

void Writer::State::flush_run(Sink& sink, std::span<const Item> items) {
  if (run.empty()) return;
  const std::size_t left = sink.write(run);
  if (left > 0) {
    const std::string_view rest = std::string_view(run).substr(run.size() - left);
    const auto failed = static_cast<std::size_t>(std::count(rest.begin(), rest.end(), '\n'));
    tally.failed.fetch_add(failed, std::memory_order_relaxed);
    const auto lost = items.last(std::min(failed, items.size()));
    const auto audits = std::count_if(lost.begin(), lost.end(), [](const Item& item) { return item.audit; });
    tally.audit_lost.fetch_add(static_cast<std::uint64_t>(audits), std::memory_order_relaxed);
    if (const auto* file = dynamic_cast<const FileSink*>(&sink)) {
      const auto& component = items.back().component;
      complain(*file, component ? *component : std::string());
      spill.write(rest);
    }
  }
  run.clear();
}

void Writer::State::write(const std::vector<Item>& items, std::uint64_t missing) {
  const std::span<const Item> all(items);
  std::size_t begun = 0;  // of the run
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    run.append(item.line).push_back('\n');
    if (item.syslog &&
        !item.syslog->send(item.level, item.event_type, item.component ? *item.component : "", item.line))
      tally.syslog_lost.fetch_add(1, std::memory_order_relaxed);
    const bool more = i + 1 < items.size() && items[i + 1].sink == item.sink && run.size() < kMaxRun;
    if (more) continue;
    if (item.sink) flush_run(*item.sink, all.subspan(begun, i + 1 - begun));
    begun = i + 1;
  }
  if (missing == 0 || items.empty()) return;
  const Item& last = items.back();
  run = text({wall_ms(),
              Level::warn,
              {Category::system, "log_lines_dropped"},
              last.component ? std::string_view(*last.component) : std::string_view{},
              "log lines were dropped: they came faster than they could be written",
              0},
             {{"dropped", missing}}) +
        "\n";
  const Item told{last.sink, nullptr, Level::warn, {}, last.component, {}};
  if (last.sink) flush_run(*last.sink, {&told, 1});
}

void Writer::State::work() {
  std::vector<Item> items;
  std::unique_lock lock(mutex);
  for (;;) {
    busy = false;
    if (queue.empty() && to_reopen.empty()) idle.notify_all();
    wake.wait(lock, [this] { return stopping || !queue.empty() || !to_reopen.empty(); });
    if (!stopping) wake.wait_for(lock, kGather, [this] { return stopping; });
    if (stopping && queue.empty()) break;
    items.swap(queue);
    const auto reopened = std::exchange(to_reopen, {});
    bytes = 0;
    busy = true;
    const auto missing = std::exchange(dropped, 0);
    lock.unlock();
    for (const auto& sink : reopened) sink->reopen();
    write(items, missing);
    items.clear();
    lock.lock();
  }
  finished = true;
  idle.notify_all();
}

Writer::Writer() : state_(std::make_shared<State>()) {}

Writer::~Writer() {
  if (!thread_.joinable()) return;
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  state_->wake.notify_all();
  const bool finished = state_->idle.wait_for(lock, kLastWords, [this] { return state_->finished; });
  lock.unlock();
  if (finished)
    thread_.join();
  else
    thread_.detach();  // it hangs in a write; the process ends without it
}

void Writer::limit(std::size_t max_bytes) {
  const std::scoped_lock lock(state_->mutex);
  state_->max_bytes = max_bytes;
}

bool Writer::put(Item item) {
  State& s = *state_;
  bool first = false;
  {
    const std::scoped_lock lock(s.mutex);
    if (s.bytes + cost(item) > s.max_bytes) {
      ++s.dropped;
      s.tally.dropped.fetch_add(1, std::memory_order_relaxed);
      if (item.audit) s.tally.audit_lost.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    first = s.queue.empty();
    s.bytes += cost(item);
    s.queue.push_back(std::move(item));
    if (!thread_.joinable()) thread_ = std::thread([state = state_] { state->work(); });
  }
  if (first) s.wake.notify_one();
  return true;
}

void Writer::reopen(std::vector<std::shared_ptr<Sink>> sinks) {
  State& s = *state_;
  const std::scoped_lock lock(s.mutex);
  std::move(sinks.begin(), sinks.end(), std::back_inserter(s.to_reopen));
  if (!thread_.joinable()) thread_ = std::thread([state = state_] { state->work(); });
  s.wake.notify_one();
}

void Writer::flush() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (!thread_.joinable()) return;
  s.idle.wait_for(lock, kFlush, [&s] { return s.queue.empty() && s.to_reopen.empty() && !s.busy; });
}

const Tally& Writer::tally() const noexcept { return state_->tally; }

}  // namespace tocsin::log
