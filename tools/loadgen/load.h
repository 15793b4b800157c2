#pragma once
// Load: N listening connections and one open-loop publisher in one epoll loop. Latencies count from the moment a message
// was due, not from when it could be sent, so a stalled server cannot hide its stall (no coordinated omission).
//
// Thread: one.
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tools/loadgen/connection.h"
#include "tools/loadgen/dialect.h"
#include "tools/loadgen/histogram.h"
#include "tools/loadgen/stream_check.h"

namespace tocsin::loadgen {

struct Plan {
  std::vector<Target> targets;
  std::uint32_t connections = 1;
  std::uint32_t source_addresses = 1;  ///< 127.0.0.2 .. so that more than 28,000 connections fit
  std::uint32_t connect_burst = 200;   ///< connections under way at once
  std::string dialect = "tocsin";
  std::string channel = "load";
  std::string filter = "{}";
  double publish_rate = 0;        ///< updates per second, 0: somebody else publishes
  std::uint32_t burst = 1;        ///< so many fall due at the same moment
  std::uint64_t publish_count = 0;  ///< stop publishing after so many; 0: no end
  std::uint32_t payload_bytes = 256;
  std::uint64_t expect_updates = 0;  ///< end when every connection has seen so many; 0: run for `seconds`
  double seconds = 10;
  double warmup = 0;      ///< seconds of publishing that are not counted in the histograms
  std::uint32_t stalled = 0;  ///< so many connections stop reading once subscribed
};

struct Report {
  Totals totals;
  Histogram delivery;
  Histogram acknowledged;
  std::uint32_t opened = 0;
  std::uint32_t failed = 0;
  std::uint32_t closed_early = 0;
  std::uint64_t published = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes = 0;
  double connect_seconds = 0;   ///< first connect to last `subscribed`
  double delivery_seconds = 0;  ///< first to last update seen
  bool complete = false;        ///< what was expected came in time
};

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
    std::uint64_t updates = 0;
    bool done = false;
  };

  void open_some();
  void watch(Connection& c);
  void poll_once(int timeout_ms);
  void on_event(std::uint32_t id, std::uint32_t events);
  class ListenerSink;
  class PublisherSink;
  void on_subscribed(Listener& listener, std::uint32_t id);
  void on_delivery(Listener& listener, std::string_view payload);
  bool start_publisher();
  [[nodiscard]] std::uint64_t counted_from() const;
  void drop(std::uint32_t id);
  void publish_due(Clock::time_point now);
  [[nodiscard]] std::uint64_t micros(Clock::time_point t) const;
  [[nodiscard]] bool all_done() const;
  bool open_all();

  const Plan plan_;
  Report report_;
  int epoll_ = -1;
  std::vector<Listener> listeners_;
  std::vector<std::uint32_t> armed_;  // epoll mask by connection
  std::unique_ptr<Connection> publisher_;
  std::unique_ptr<Dialect> publisher_dialect_;

  std::uint32_t started_ = 0;
  std::uint32_t subscribed_ = 0;
  std::uint32_t finished_ = 0;
  std::uint64_t answered_ = 0;
  Clock::time_point zero_;
  Clock::time_point publish_start_;
  Clock::time_point first_update_;
  Clock::time_point last_update_;
  std::string pad_;
};

}  // namespace tocsin::loadgen
