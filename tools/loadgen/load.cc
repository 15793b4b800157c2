#include "tools/loadgen/load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace tocsin::loadgen {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::microseconds;

constexpr double kConnectLimit = 60;

}  // namespace

Load::Load(Plan plan) : plan_(std::move(plan)), epoll_(::epoll_create1(EPOLL_CLOEXEC)), zero_(Clock::now()) {
  listeners_.resize(plan_.connections);
  armed_.resize(plan_.connections + 1, 0);
  pad_.assign(plan_.payload_bytes > 120 ? plan_.payload_bytes - 120 : 1, 'x');
}

Load::~Load() { ::close(epoll_); }

std::uint64_t Load::micros(Clock::time_point t) const {
  return static_cast<std::uint64_t>(duration_cast<microseconds>(t - zero_).count());
}

void Load::watch(Connection& c) {
  const std::uint32_t mask = (c.paused() ? 0U : static_cast<std::uint32_t>(EPOLLIN)) | (c.wants_write() ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  std::uint32_t& armed = armed_[c.id()];
  if (armed == (mask | 1U << 31U)) return;
  epoll_event event{};
  event.events = mask;
  event.data.u32 = c.id();
  ::epoll_ctl(epoll_, armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd(), &event);
  armed = mask | 1U << 31U;
}

void Load::open_some() {
  while (started_ < plan_.connections && started_ - subscribed_ - report_.failed < plan_.connect_burst) {
    const std::uint32_t id = started_++;
    auto& listener = listeners_[id];
    listener.socket = std::make_unique<Connection>(id, [this](Connection& c, std::string_view f) { on_text(c, f); });
    const std::string source = plan_.source_addresses > 1 ? "127.0.0." + std::to_string(2 + id % plan_.source_addresses) : "";
    if (!listener.socket->start(plan_.targets[id % plan_.targets.size()], source)) {
      ++report_.failed;
      continue;
    }
    listener.socket->send_text(R"({"type":"subscribe","id":"a","channel":")" + plan_.channel + R"(","filter":)" + plan_.filter + "}");
    watch(*listener.socket);
  }
}

bool Load::open_all() {
  const auto start = Clock::now();
  open_some();
  while (subscribed_ + report_.failed < plan_.connections && duration<double>(Clock::now() - start).count() < kConnectLimit) {
    poll_once(100);
    open_some();
  }
  report_.opened = subscribed_;
  report_.connect_seconds = duration<double>(Clock::now() - start).count();
  return subscribed_ == plan_.connections;
}

void Load::poll_once(int timeout_ms) {
  std::array<epoll_event, 512> events{};
  const int n = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), timeout_ms);
  for (int i = 0; i < n; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    on_event(event.data.u32, event.events);
  }
}

void Load::on_event(std::uint32_t id, std::uint32_t events) {
  Connection* c = id == plan_.connections ? publisher_.get() : listeners_[id].socket.get();
  if (c == nullptr) return;
  bool alive = true;
  if ((events & EPOLLOUT) != 0U) alive = c->on_writable();
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U) alive = c->on_readable();
  if (alive) {
    watch(*c);
  } else {
    drop(id);
  }
}

void Load::drop(std::uint32_t id) {
  armed_[id] = 0;
  if (id == plan_.connections) {
    publisher_.reset();
    return;
  }
  auto& listener = listeners_[id];
  report_.bytes += listener.socket->bytes_read();
  if (!listener.check.subscribed()) {
    ++report_.failed;
  } else if (!listener.done) {
    ++report_.closed_early;
  }
  if (!listener.done) ++finished_;
  listener.done = true;
  listener.socket.reset();
}

void Load::on_text(Connection& c, std::string_view frame) {
  if (c.id() == plan_.connections) {
    on_published(frame);
    return;
  }
  auto& listener = listeners_[c.id()];
  const bool before = listener.check.subscribed();
  if (listener.check.take(frame, report_.totals) != 0) on_update(listener, frame);
  if (!before && listener.check.subscribed()) {
    ++subscribed_;
    if (c.id() < plan_.stalled) c.stop_reading(true);
  }
}

void Load::on_update(Listener& listener, std::string_view frame) {
  last_update_ = Clock::now();
  if (first_update_ == Clock::time_point{}) first_update_ = last_update_;
  if (plan_.publish_rate > 0) {
    const std::uint64_t due = number_member(frame, "\"t\"", 0);
    const std::uint64_t now = micros(last_update_);
    const auto counted_from = micros(publish_start_) + static_cast<std::uint64_t>(plan_.warmup * 1e6);
    if (due >= counted_from && now >= due) report_.delivery.record(now - due);
  }
  if (++listener.updates == plan_.expect_updates && !listener.done) {
    listener.done = true;
    ++finished_;
  }
}

void Load::on_published(std::string_view frame) {
  const auto type = type_of(frame);
  if (type != "published" && type != "error") return;
  constexpr std::string_view kRef = "\"ref\":\"";
  const auto at = frame.find(kRef);
  if (at == std::string_view::npos) return;
  ++answered_;
  if (type == "error") {
    ++report_.refused;
    return;
  }
  std::uint64_t due = 0;  // the ref is the time at which the update was due
  std::from_chars(frame.data() + at + kRef.size(), frame.data() + frame.size(), due);
  const auto counted_from = micros(publish_start_) + static_cast<std::uint64_t>(plan_.warmup * 1e6);
  if (due >= counted_from) report_.acknowledged.record(micros(Clock::now()) - due);
}

void Load::publish_due(Clock::time_point now) {
  if (publisher_ == nullptr || publisher_->state() != Connection::State::open) return;
  const double elapsed = duration<double>(now - publish_start_).count();
  auto due = static_cast<std::uint64_t>(elapsed * plan_.publish_rate);
  if (plan_.publish_count > 0) due = std::min(due, plan_.publish_count);
  std::string frame;
  while (report_.published < due) {
    const auto t = micros(publish_start_) + static_cast<std::uint64_t>(static_cast<double>(report_.published) / plan_.publish_rate * 1e6);
    const std::string stamp = std::to_string(t);
    frame.assign(R"({"type":"publish","ref":")").append(stamp).append(R"(","update":{"channel":")").append(plan_.channel);
    frame.append(R"(","event":{"name":"load","data":{"t":)").append(stamp).append(R"(,"pad":")").append(pad_).append(R"("}}}})");
    publisher_->send_text(frame);
    ++report_.published;
  }
  watch(*publisher_);
}

bool Load::all_done() const {
  if (plan_.expect_updates > 0) return finished_ + plan_.stalled >= plan_.connections;
  if (plan_.publish_count > 0 && report_.published >= plan_.publish_count) {
    const std::uint64_t wanted = report_.published - report_.refused;
    return answered_ >= report_.published &&
           std::all_of(listeners_.begin() + plan_.stalled, listeners_.end(),
                       [wanted](const Listener& l) { return l.done || l.updates >= wanted; });
  }
  return false;
}

Report Load::run() {
  const bool opened = open_all();
  publish_start_ = Clock::now();
  if (opened && plan_.publish_rate > 0) {
    publisher_ = std::make_unique<Connection>(plan_.connections, [this](Connection& c, std::string_view f) { on_text(c, f); });
    if (publisher_->start(plan_.targets[0], "")) watch(*publisher_);
    while (publisher_ != nullptr && publisher_->state() != Connection::State::open &&
           duration<double>(Clock::now() - publish_start_).count() < kConnectLimit)
      poll_once(100);
    publish_start_ = Clock::now();
  }
  while (opened && !report_.complete && duration<double>(Clock::now() - publish_start_).count() < plan_.seconds + plan_.warmup) {
    publish_due(Clock::now());
    poll_once(plan_.publish_rate > 0 ? 1 : 20);
    report_.complete = all_done();
  }
  if (plan_.expect_updates == 0 && plan_.publish_count == 0) report_.complete = opened;
  report_.delivery_seconds = duration<double>(last_update_ - first_update_).count();
  for (const auto& l : listeners_)
    if (l.socket != nullptr) report_.bytes += l.socket->bytes_read();
  return report_;
}

}  // namespace tocsin::loadgen
