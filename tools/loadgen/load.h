#pragma once
// Load: N listening connections and one open-loop publisher in one epoll loop. Latencies count from the
// moment a message was due, not from when it could be sent, so a stalled server cannot hide its stall (no
// coordinated omission).
//
//   connect all -> "subscribed" -> publish and watch -> "measured" -> (drop all -> publish -> "away" ->
//   reconnect -> "back")?
//     -> close all -> "left"
//
// Thread: one.
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/loadgen/dialect.h"
#include "tools/loadgen/plan.h"

namespace tocsin::loadgen {

class Load {
 public:
  explicit Load(Plan plan);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  /// Runs the plan to its end. Every wait is bounded by the plan's seconds (plus 60 for connecting).
  Report run();

 private:
  using Clock = std::chrono::steady_clock;
  struct Listener {
    std::unique_ptr<Connection> socket;
    std::unique_ptr<Dialect> dialect;
    StreamCheck check;
    bool subscribed = false;
    std::uint64_t told = 0;  ///< updates that it saw or that were replaced
  };
  class ListenerSink;
  class PublisherSink;

  // load_sockets.cc
  void open_some();
  bool open_one(std::uint32_t id);
  bool open_all();
  bool start_publisher();
  void leave_all(bool settle);
  void watch(Connection& c);
  void poll_until(Clock::time_point due);
  void on_event(std::uint32_t id, std::uint32_t events);
  void drop(std::uint32_t id);
  void on_subscribed(Listener& listener, std::uint32_t id);
  void on_delivery(Listener& listener, std::uint32_t id, std::string_view payload);

  // load.cc
  void measure();
  void publish_due(Clock::time_point now);
  void publish_one(std::uint64_t due_us);
  [[nodiscard]] Clock::time_point next_due() const;
  [[nodiscard]] bool publishes() const noexcept { return plan_.publish_rate > 0 || plan_.lockstep; }
  [[nodiscard]] bool all_seen() const noexcept { return told_ >= expected_; }
  [[nodiscard]] bool all_answered() const;
  [[nodiscard]] bool all_done() const;
  void storm();
  void refresh_due(Clock::time_point now);
  [[nodiscard]] bool refreshes(std::uint32_t id) const noexcept {
    return !plan_.refreshes.empty() && id % 2 == 0;
  }
  /// Its token ends while it is measured.
  [[nodiscard]] bool expires(std::uint32_t id) const noexcept {
    return plan_.expires_at > 0 && !refreshes(id);
  }
  [[nodiscard]] std::string path_of(const Dialect& dialect, std::uint32_t id) const;
  void publish_away(Clock::time_point end);
  void revive();
  void phase(const char* name) const;
  [[nodiscard]] std::uint64_t counted_from() const;
  [[nodiscard]] std::uint64_t micros(Clock::time_point t) const;
  [[nodiscard]] bool stalls(std::uint32_t id) const noexcept { return id < plan_.work.stalled; }

  const Plan plan_;
  Workload work_;
  std::unique_ptr<TlsClient> tls_;
  std::unique_ptr<Inflater> inflater_;
  Wire wire_;
  Report report_;
  int epoll_ = -1;
  std::vector<Listener> listeners_;
  std::vector<std::uint32_t> armed_;  // epoll mask by connection
  std::unique_ptr<Connection> publisher_;
  std::unique_ptr<Dialect> publisher_dialect_;

  bool reviving_ = false;
  bool refreshed_ = false;
  bool measuring_ = false;
  std::uint32_t started_ = 0;
  std::uint32_t subscribed_ = 0;
  std::uint32_t finished_ = 0;  // with somebody else's publishes
  std::uint64_t told_ = 0;      // to clients that do not stall
  std::uint64_t expected_ = 0;  // what told_ must become
  std::uint64_t answered_ = 0;
  Clock::time_point now_;  // when the socket being read was seen to be readable
  Clock::time_point zero_;
  Clock::time_point publish_start_;
  Clock::time_point first_update_;
  Clock::time_point last_update_;
};

}  // namespace tocsin::loadgen
