#include "tools/loadgen/load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

namespace tocsin::loadgen {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

/// Publishes without an answer while nobody listens (storm).
constexpr std::uint64_t kAwayWindow = 32;
/// What a server without answers is given to take them in.
constexpr milliseconds kAwayRest{300};

}  // namespace

Load::Load(Plan plan)
    : plan_(std::move(plan)), work_(plan_.work), epoll_(::epoll_create1(EPOLL_CLOEXEC)), zero_(Clock::now()) {
  listeners_.resize(plan_.work.connections);
  armed_.resize(plan_.work.connections + 1, 0);
  if (plan_.tls) tls_ = std::make_unique<TlsClient>();
  if (plan_.deflate) inflater_ = std::make_unique<Inflater>();
  wire_ = {.tls = tls_.get(), .deflate = inflater_.get()};
}

Load::~Load() { ::close(epoll_); }

std::uint64_t Load::micros(Clock::time_point t) const {
  return static_cast<std::uint64_t>(duration_cast<microseconds>(t - zero_).count());
}

std::uint64_t Load::counted_from() const {
  return micros(publish_start_) + static_cast<std::uint64_t>(plan_.warmup * 1e6);
}

void Load::publish_one(std::uint64_t due_us) {
  publisher_dialect_->publish(*publisher_, work_.message(report_.published, due_us));
  expected_ += work_.matches(report_.published);
  ++report_.published;
}

/// When the burst after those published falls due.
Load::Clock::time_point Load::next_due() const {
  const double bursts = static_cast<double>(report_.published / plan_.burst);
  return publish_start_ +
         duration_cast<Clock::duration>(duration<double>(bursts * plan_.burst / plan_.publish_rate));
}

void Load::publish_due(Clock::time_point now) {
  if (publisher_ == nullptr) return;
  publisher_->cork(true);  // what falls due together leaves together
  const std::uint64_t last = plan_.publish_count > 0 ? plan_.publish_count : ~std::uint64_t{0};
  if (plan_.lockstep) {
    const std::uint64_t due = micros(Clock::now());
    const bool next = all_seen() && all_answered();
    for (std::uint32_t i = 0; next && i < plan_.burst && report_.published < last; ++i) publish_one(due);
  } else {
    while (report_.published < last && next_due() <= now) {
      const std::uint64_t due = micros(next_due());
      for (std::uint32_t i = 0; i < plan_.burst && report_.published < last; ++i) publish_one(due);
    }
  }
  publisher_->cork(false);
  watch(*publisher_);
}

bool Load::all_answered() const {
  return !publisher_dialect_->acknowledges() || answered_ >= report_.published;
}

bool Load::all_done() const {
  if (!publishes())
    return plan_.expect_updates > 0 && finished_ + plan_.work.stalled >= plan_.work.connections;
  return plan_.publish_count > 0 && report_.published >= plan_.publish_count && all_seen() && all_answered();
}

void Load::measure() {
  measuring_ = true;
  publish_start_ = Clock::now();
  const auto end =
      publish_start_ + duration_cast<Clock::duration>(duration<double>(plan_.seconds + plan_.warmup));
  while (!report_.complete && Clock::now() < end && (!publishes() || publisher_ != nullptr)) {
    auto until = std::min(end, Clock::now() + milliseconds(20));
    if (publishes()) publish_due(Clock::now());
    refresh_due(Clock::now());
    if (plan_.publish_rate > 0 && (plan_.publish_count == 0 || report_.published < plan_.publish_count))
      until = std::min(until, next_due());
    poll_until(until);
    report_.complete = all_done();
  }
  if (plan_.expect_updates == 0 && plan_.publish_count == 0) report_.complete = all_seen();
  measuring_ = false;
  report_.delivery_seconds = duration<double>(last_update_ - first_update_).count();
}

void Load::refresh_due(Clock::time_point now) {
  if (refreshed_ || plan_.refreshes.empty() ||
      duration<double>(now - publish_start_).count() < plan_.refresh_after)
    return;
  refreshed_ = true;
  for (std::uint32_t id = 0; id < listeners_.size(); ++id) {
    Connection* c = listeners_[id].socket.get();
    if (c == nullptr || !refreshes(id)) continue;
    c->send(1, R"({"type":"refresh","token":")" + plan_.refreshes[id % plan_.refreshes.size()] + "\"}");
    watch(*c);
  }
}

/// What clients that are away miss: a few at a time where answers pace it, at once where there are none.
void Load::publish_away(Clock::time_point end) {
  const std::uint64_t wanted = report_.published + plan_.storm_updates;
  const bool paced = publisher_dialect_->acknowledges();
  while (publisher_ && (report_.published < wanted || !all_answered()) && Clock::now() < end) {
    while (report_.published < wanted && (!paced || report_.published < answered_ + kAwayWindow))
      publish_one(micros(Clock::now()));
    watch(*publisher_);
    poll_until(Clock::now() + milliseconds(20));
  }
  if (!paced) poll_until(Clock::now() + kAwayRest);
}

void Load::storm() {
  const bool resumes = listeners_[0].dialect->has_offsets();
  report_.complete = false;
  leave_all(false);
  const auto end = Clock::now() + duration_cast<Clock::duration>(duration<double>(plan_.seconds));
  if (resumes || plan_.replays) publish_away(end);
  if (plan_.replays) {  // each is told everything, from the first update on
    for (auto& l : listeners_) l.check = {};
    expected_ += told_;
  }
  phase("away");
  const auto start = Clock::now();
  const bool back = open_all();
  report_.storm_connect_seconds = duration<double>(Clock::now() - start).count();
  while (back && !all_seen() && Clock::now() < end) poll_until(Clock::now() + milliseconds(20));
  report_.storm_seconds = duration<double>(Clock::now() - start).count();
  report_.complete = back && all_seen() && (!resumes || report_.totals.resumed == plan_.work.connections);
  phase("back");
}

/// Stalled clients read again: each must come to where the others are, or have been told that it was too
/// slow.
void Load::revive() {
  reviving_ = true;
  const std::uint64_t head = listeners_.back().check.position();
  for (std::uint32_t i = 0; i < plan_.work.stalled; ++i)
    if (listeners_[i].socket) {
      listeners_[i].socket->stop_reading(false);
      watch(*listeners_[i].socket);
    }
  const auto end = Clock::now() + duration_cast<Clock::duration>(duration<double>(plan_.seconds));
  do {
    poll_until(Clock::now() + milliseconds(20));
    report_.revived = static_cast<std::uint32_t>(
        std::count_if(listeners_.begin(), listeners_.begin() + plan_.work.stalled,
                      [head](const Listener& l) { return l.socket && l.check.position() >= head; }));
  } while (report_.revived + report_.too_slow < plan_.work.stalled && Clock::now() < end);
  if (report_.revived + report_.too_slow < plan_.work.stalled) report_.complete = false;
}

void Load::phase(const char* name) const {
  if (!plan_.gate) return;
  std::cout << "phase " << name << std::endl;
  std::string line;
  std::getline(std::cin, line);
}

Report Load::run() {
  const auto start = Clock::now();
  bool opened = open_all();
  report_.connect_seconds = duration<double>(Clock::now() - start).count();
  if (opened && publishes()) opened = start_publisher();
  if (opened) {
    phase("subscribed");
    measure();
    phase("measured");
    if (plan_.storm && report_.complete) storm();
    if (plan_.revive) revive();
  }
  leave_all(true);
  phase("left");
  return report_;
}

}  // namespace tocsin::loadgen
