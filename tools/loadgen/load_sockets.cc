// The sockets of a Load: opening, the epoll loop, what arrives.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "tools/loadgen/load.h"

namespace tocsin::loadgen {
namespace {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr double kConnectLimit = 60;
constexpr std::uint32_t kArmed = 1U << 31U;
constexpr int kSlowConsumer = 4430;
constexpr int kUnauthenticated = 4401;

}  // namespace

class Load::ListenerSink final : public Sink {
 public:
  ListenerSink(Load& load, Listener& listener, Connection& c) : load_(load), listener_(listener), c_(c) {}
  void subscribed() override { load_.on_subscribed(listener_, c_.id()); }
  void delivery(std::string_view payload) override { load_.on_delivery(listener_, c_.id(), payload); }
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

void Load::watch(Connection& c) {
  const std::uint32_t mask = (c.paused() ? 0U : static_cast<std::uint32_t>(EPOLLIN)) |
                             (c.wants_write() ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
  std::uint32_t& armed = armed_[c.id()];
  if (armed == (mask | kArmed)) return;
  epoll_event event{};
  event.events = mask;
  event.data.u32 = c.id();
  ::epoll_ctl(epoll_, armed == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c.fd(), &event);
  armed = mask | kArmed;
}

bool Load::open_one(std::uint32_t id) {
  auto& listener = listeners_[id];
  if (!listener.dialect) listener.dialect = make_dialect(plan_.dialect, work_.topic(id));
  listener.socket =
      std::make_unique<Connection>(id, wire_, [this, id](Connection& c, std::string_view message) {
        ListenerSink sink(*this, listeners_[id], c);
        listeners_[id].dialect->take(message, sink);
      });
  const std::string source =
      plan_.source_addresses > 1 ? "127.0.0." + std::to_string(2 + id % plan_.source_addresses) : "";
  const Upgrade upgrade{path_of(*listener.dialect, id), listener.dialect->subprotocol()};
  if (!listener.socket->start(plan_.targets[id % plan_.targets.size()], upgrade, source)) return false;
  listener.dialect->greet(*listener.socket, Dialect::Role::listener, listener.check.position());
  watch(*listener.socket);
  return true;
}

std::string Load::path_of(const Dialect& dialect, std::uint32_t id) const {
  if (plan_.tokens.empty()) return dialect.path();
  // The publisher's lasts.
  if (id >= plan_.work.connections && !plan_.refreshes.empty())
    return dialect.path() + "?access_token=" + plan_.refreshes.front();
  return dialect.path() + "?access_token=" + plan_.tokens[id % plan_.tokens.size()];
}

void Load::open_some() {
  while (started_ < plan_.work.connections && started_ - subscribed_ - report_.failed < plan_.connect_burst)
    if (!open_one(started_++)) ++report_.failed;
}

bool Load::open_all() {
  const auto start = Clock::now();
  started_ = subscribed_ = 0;
  open_some();
  while (subscribed_ + report_.failed < plan_.work.connections &&
         duration<double>(Clock::now() - start).count() < kConnectLimit) {
    poll_until(Clock::now() + std::chrono::milliseconds(100));
    open_some();
  }
  return subscribed_ == plan_.work.connections;
}

bool Load::start_publisher() {
  publisher_dialect_ = make_dialect(plan_.dialect, {plan_.work.channel, "{}"});
  publisher_ = std::make_unique<Connection>(plan_.work.connections, wire_,
                                            [this](Connection& c, std::string_view message) {
                                              PublisherSink sink(*this, c);
                                              publisher_dialect_->take(message, sink);
                                            });
  if (!publisher_->start(
          plan_.targets[0],
          {path_of(*publisher_dialect_, plan_.work.connections), publisher_dialect_->subprotocol()}, ""))
    return false;
  publisher_dialect_->greet(*publisher_, Dialect::Role::publisher, 0);
  watch(*publisher_);
  const auto start = Clock::now();
  while (publisher_ && publisher_->state() != Connection::State::open &&
         duration<double>(Clock::now() - start).count() < kConnectLimit)
    poll_until(Clock::now() + std::chrono::milliseconds(100));
  return publisher_ != nullptr && publisher_->state() == Connection::State::open;
}

/// Closes every listener's socket. `settle`: for good, so an open hole is a gap.
void Load::leave_all(bool settle) {
  for (auto& l : listeners_) {
    if (settle) l.check.finish(report_.totals);
    if (!l.socket) continue;
    report_.bytes += l.socket->bytes_read();
    armed_[l.socket->id()] = 0;
    l.socket.reset();
    l.subscribed = false;
  }
}

void Load::poll_until(Clock::time_point due) {
  std::array<epoll_event, 512> events{};
  const auto wait = std::max(nanoseconds{0}, duration_cast<nanoseconds>(due - Clock::now()));
  const timespec timeout{.tv_sec = wait.count() / 1'000'000'000, .tv_nsec = wait.count() % 1'000'000'000};
  const int n = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  for (int i = 0; i < n; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    on_event(event.data.u32, event.events);
  }
}

void Load::on_event(std::uint32_t id, std::uint32_t events) {
  Connection* c = id == plan_.work.connections ? publisher_.get() : listeners_[id].socket.get();
  if (c == nullptr) return;
  now_ = Clock::now();
  bool alive = true;
  if ((events & EPOLLOUT) != 0U) alive = c->on_writable();
  if (alive && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U && !(c->paused() && (events & EPOLLIN) == 0))
    alive = c->on_readable();
  if (alive && (events & (EPOLLHUP | EPOLLERR)) != 0U && c->paused()) alive = false;
  if (!alive) return drop(id);
  if (id < plan_.work.connections && c->state() == Connection::State::open &&
      !listeners_[id].dialect->confirms())
    on_subscribed(listeners_[id], id);
  watch(*c);
}

void Load::drop(std::uint32_t id) {
  armed_[id] = 0;
  if (id == plan_.work.connections) {
    publisher_.reset();
    return;
  }
  auto& listener = listeners_[id];
  report_.bytes += listener.socket->bytes_read();
  if (!listener.subscribed) {
    ++report_.failed;
  } else if (stalls(id) && (listener.socket->close_code() == kSlowConsumer || listener.socket->paused())) {
    ++report_.too_slow;
  } else if (expires(id) && listener.socket->close_code() == kUnauthenticated) {
    ++report_.expired;
  } else {
    ++report_.closed_early;
  }
  listener.socket.reset();
}

void Load::on_subscribed(Listener& listener, std::uint32_t id) {
  if (listener.subscribed) return;
  listener.subscribed = true;
  ++subscribed_;
  if (report_.opened < plan_.work.connections) {
    ++report_.opened;
    if (listener.socket->deflates()) ++report_.deflating;
    if (id == 0) report_.tls = listener.socket->transport().version();
  }
  if (stalls(id) && !reviving_) listener.socket->stop_reading(true);
}

void Load::on_delivery(Listener& listener, std::uint32_t id, std::string_view payload) {
  const auto told = listener.dialect->has_offsets()
                        ? listener.check.take(payload, report_.totals)
                        : listener.check.take_sequence(payload, work_.shares(), report_.totals);
  if (told == 0) return;
  if (measuring_) {
    last_update_ = now_;
    if (first_update_ == Clock::time_point{}) first_update_ = now_;
  }
  const std::chrono::duration<double> wall = std::chrono::system_clock::now().time_since_epoch();
  if (expires(id) && wall.count() > plan_.expires_at + 1) report_.late += told;
  if (measuring_ && publishes() && !stalls(id)) {
    const std::uint64_t due = number_member(payload, "\"t\"", 0);
    const std::uint64_t now = micros(last_update_);
    if (due >= counted_from() && now >= due) report_.delivery.record(now - due);
  }
  const bool had_all = listener.told >= plan_.expect_updates;
  listener.told += told;
  if (!stalls(id)) told_ += told;
  if (!had_all && listener.told >= plan_.expect_updates) ++finished_;
}

}  // namespace tocsin::loadgen
