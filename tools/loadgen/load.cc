#include "tools/loadgen/load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace tocsin::loadgen {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::microseconds;

constexpr double kConnectLimit = 60;

}  // namespace

class Load::ListenerSink final : public Sink {
 public:
  ListenerSink(Load& load, Listener& listener, Connection& c) : load_(load), listener_(listener), c_(c) {}
  void subscribed() override { load_.on_subscribed(listener_, c_.id()); }
  void delivery(std::string_view payload) override { load_.on_delivery(listener_, payload); }
  void acknowledged(std::uint64_t) override {}
  void refused() override { ++load_.report_.totals.errors; }
  void reply(std::uint8_t opcode, std::string_view bytes) override { c_.send(opcode, bytes); }

 private:
  Load& load_;
  Listener& listener_;
  Connection& c_;
};

class Load::PublisherSink final : public Sink {
 public:
  PublisherSink(Load& load, Connection& c) : load_(load), c_(c) {}
  void subscribed() override {}
  void delivery(std::string_view) override {}
  void acknowledged(std::uint64_t due) override {
    ++load_.answered_;
    if (due >= load_.counted_from()) load_.report_.acknowledged.record(load_.micros(Clock::now()) - due);
  }
  void refused() override {
    ++load_.answered_;
    ++load_.report_.refused;
  }
  void reply(std::uint8_t opcode, std::string_view bytes) override { c_.send(opcode, bytes); }

 private:
  Load& load_;
  Connection& c_;
};

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
    listener.dialect = make_dialect(plan_.dialect, plan_.channel, plan_.filter);
    listener.socket = std::make_unique<Connection>(id, [this, id](Connection& c, std::string_view message) {
      ListenerSink sink(*this, listeners_[id], c);
      listeners_[id].dialect->take(message, sink);
    });
    const std::string source = plan_.source_addresses > 1 ? "127.0.0." + std::to_string(2 + id % plan_.source_addresses) : "";
    const Upgrade upgrade{listener.dialect->path(), listener.dialect->subprotocol()};
    if (!listener.socket->start(plan_.targets[id % plan_.targets.size()], upgrade, source)) {
      ++report_.failed;
      continue;
    }
    listener.dialect->greet(*listener.socket, Dialect::Role::listener);
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
    if (id < plan_.connections && c->state() == Connection::State::open && !listeners_[id].dialect->confirms())
      on_subscribed(listeners_[id], id);
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
  if (!listener.subscribed) {
    ++report_.failed;
  } else if (!listener.done) {
    ++report_.closed_early;
  }
  if (!listener.done) ++finished_;
  listener.done = true;
  listener.socket.reset();
}

std::uint64_t Load::counted_from() const { return micros(publish_start_) + static_cast<std::uint64_t>(plan_.warmup * 1e6); }

void Load::on_subscribed(Listener& listener, std::uint32_t id) {
  if (listener.subscribed) return;
  listener.subscribed = true;
  ++subscribed_;
  if (id < plan_.stalled) listener.socket->stop_reading(true);
}

void Load::on_delivery(Listener& listener, std::string_view payload) {
  const bool offsets = plan_.dialect == "tocsin";
  if ((offsets ? listener.check.take(payload, report_.totals) : listener.check.take_sequence(payload, report_.totals)) == 0) return;
  last_update_ = Clock::now();
  if (first_update_ == Clock::time_point{}) first_update_ = last_update_;
  if (plan_.publish_rate > 0) {
    const std::uint64_t due = number_member(payload, "\"t\"", 0);
    const std::uint64_t now = micros(last_update_);
    if (due >= counted_from() && now >= due) report_.delivery.record(now - due);
  }
  if (++listener.updates == plan_.expect_updates && !listener.done) {
    listener.done = true;
    ++finished_;
  }
}

void Load::publish_due(Clock::time_point now) {
  if (publisher_ == nullptr || publisher_->state() != Connection::State::open) return;
  const double elapsed = duration<double>(now - publish_start_).count();
  auto due = (static_cast<std::uint64_t>(elapsed * plan_.publish_rate / plan_.burst) + 1) * plan_.burst;  // the first is due at once
  if (plan_.publish_count > 0) due = std::min(due, plan_.publish_count);
  std::string payload;
  while (report_.published < due) {
    const auto t = micros(publish_start_) + static_cast<std::uint64_t>(static_cast<double>(report_.published / plan_.burst * plan_.burst) / plan_.publish_rate * 1e6);
    payload.assign("{\"t\":").append(std::to_string(t)).append(",\"n\":").append(std::to_string(report_.published + 1));
    payload.append(",\"pad\":\"").append(pad_).append("\"}");
    publisher_dialect_->publish(*publisher_, t, payload);
    ++report_.published;
  }
  watch(*publisher_);
}

bool Load::all_done() const {
  if (plan_.expect_updates > 0) return finished_ + plan_.stalled >= plan_.connections;
  if (plan_.publish_count > 0 && report_.published >= plan_.publish_count) {
    const std::uint64_t wanted = report_.published - report_.refused;
    return (!publisher_dialect_->acknowledges() || answered_ >= report_.published) &&
           std::all_of(listeners_.begin() + plan_.stalled, listeners_.end(),
                       [wanted](const Listener& l) { return l.done || l.updates >= wanted; });
  }
  return false;
}

bool Load::start_publisher() {
  publisher_dialect_ = make_dialect(plan_.dialect, plan_.channel, plan_.filter);
  publisher_ = std::make_unique<Connection>(plan_.connections, [this](Connection& c, std::string_view message) {
    PublisherSink sink(*this, c);
    publisher_dialect_->take(message, sink);
  });
  if (!publisher_->start(plan_.targets[0], {publisher_dialect_->path(), publisher_dialect_->subprotocol()}, "")) return false;
  publisher_dialect_->greet(*publisher_, Dialect::Role::publisher);
  watch(*publisher_);
  const auto start = Clock::now();
  while (publisher_ != nullptr && publisher_->state() != Connection::State::open &&
         duration<double>(Clock::now() - start).count() < kConnectLimit)
    poll_once(100);
  return publisher_ != nullptr;
}

Report Load::run() {
  const bool opened = open_all() && (plan_.publish_rate <= 0 || start_publisher());
  publish_start_ = Clock::now();
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
