#pragma once
// A broker core on a disk that commits when the test says so, with peers whose messages the test reads.
#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core.h"
#include "broker/log/memory_log_store.h"
#include "common/metrics/metrics.h"
#include "proto/link_message.h"
#include "tests/unit/broker/log_store_suite.h"

namespace tocsin::broker::testing {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant steady() const override { return Instant{Millis{1'000'000 + ms_}}; }
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'760'000'000'000 + ms_; }
  void pass(Millis t) { ms_ += t.count(); }

 private:
  std::int64_t ms_ = 0;
};

/// Holds batches back until release(); then they commit, or fail and leave nothing.
class GateStore final : public LogStore {
 public:
  explicit GateStore(LogStore& under) : held_(nullptr, under), under_(under) {}
  void commit(Batch b, CommitDone d) override {
    REQUIRE_FALSE(waiting_);  // one at a time
    waiting_ = std::pair{std::move(b), std::move(d)};
    ++commits;
    if (open && !failing) release();
  }
  /// Finishes the batch under way: the next poll() reports it.
  void release() {
    if (!waiting_) return;
    auto [batch, done] = *std::exchange(waiting_, std::nullopt);
    if (failing) {
      failed_.push_back(std::move(done));
    } else {
      under_.commit(std::move(batch), std::move(done));
    }
  }
  void poll() override {
    for (const auto& done : std::exchange(failed_, {})) done(*failing);
    under_.poll();
  }
  [[nodiscard]] bool waiting() const { return waiting_.has_value(); }
  void on_wake(std::function<void()>) override {}
  [[nodiscard]] Result<std::vector<ChannelMeta>> channels() const override { return held_.channels(); }
  [[nodiscard]] ChannelId new_channel_id(Durability d) override { return held_.new_channel_id(d); }
  [[nodiscard]] Result<std::vector<Record>> read_after(ChannelId c, Offset a, std::size_t n,
                                                       std::size_t b) const override {
    if (read_error) return *read_error;
    return held_.read_after(c, a, n, b);
  }
  [[nodiscard]] Result<RowMark> mark(ChannelId c, Offset o) const override { return held_.mark(c, o); }
  [[nodiscard]] Result<std::vector<EventIdAt>> newest_event_ids(ChannelId c, std::size_t n) const override {
    return held_.newest_event_ids(c, n);
  }
  [[nodiscard]] Result<std::optional<IncidentRow>> incident(ChannelId c, std::string_view k) const override {
    return held_.incident(c, k);
  }
  [[nodiscard]] Result<std::vector<IncidentRow>> incidents(ChannelId c, std::string_view a,
                                                           std::size_t n) const override {
    return held_.incidents(c, a, n);
  }
  [[nodiscard]] Result<std::unique_ptr<SnapshotReader>> snapshot(ChannelId c) const override {
    return held_.snapshot(c);
  }
  [[nodiscard]] Result<std::optional<SessionRow>> session(std::string_view id) const override {
    return held_.session(id);
  }
  [[nodiscard]] Result<std::vector<std::string>> expired_sessions(std::int64_t t,
                                                                  std::size_t n) const override {
    return held_.expired_sessions(t, n);
  }
  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view n) const override {
    return held_.setting(n);
  }

  bool open = true;  ///< commit at once
  std::optional<Error> failing;
  std::optional<Error> read_error;
  int commits = 0;

 private:
  HeldStore held_;
  LogStore& under_;
  std::optional<std::pair<Batch, CommitDone>> waiting_;
  std::deque<CommitDone> failed_;
};

/// Keeps what was sent to each peer, decoded.
class Wire final : public PeerPort {
 public:
  bool send(std::string_view peer, SharedBytes bytes) override {
    if (peer == full) return false;
    auto message = link::decode(*bytes);
    REQUIRE(message);
    sizes[std::string(peer)] += bytes->size();
    if (std::holds_alternative<link::Updates>(*message)) shared.push_back(bytes);
    inbox[std::string(peer)].push_back(*std::move(message));
    return true;
  }
  std::map<std::string, std::deque<link::Message>> inbox;
  std::map<std::string, std::size_t> sizes;
  std::string full;                 ///< the peer whose queue takes nothing
  std::vector<SharedBytes> shared;  ///< Updates messages as they were handed over
};

struct Broker {
  Config config;
  MemoryLogStore disk;
  ManualClock clock;
  Wire wire;
  std::unique_ptr<GateStore> store;
  std::unique_ptr<metrics::Registry> registry;
  std::unique_ptr<Metrics> metrics;
  std::unique_ptr<Core> core;
  std::uint64_t random = 40;
  std::uint64_t last_ref = 0;

  explicit Broker(Config c = {}) : config(std::move(c)) { start(); }

  /// Starts the process (again) on what the disk has.
  void start() {
    core.reset();
    metrics.reset();
    registry = std::make_unique<metrics::Registry>();
    metrics = std::make_unique<Metrics>(*registry);
    store = std::make_unique<GateStore>(disk);
    core = std::make_unique<Core>(
        config, "cluster", *store, clock, [this] { return ++random; }, wire, *metrics);
    REQUIRE(core->open());
    store->poll();
  }
  void say(const std::string& peer, const link::Message& message) {
    core->on_bytes(peer, link::encode(message));
    settle();
  }
  void settle() {
    for (int i = 0; i < 4; ++i) store->poll();
  }
  void pass(Millis time) {
    for (; time.count() > 0; time -= Millis{100}) {
      clock.pass(Millis{100});
      core->tick();
      settle();
    }
  }
  void edge(const std::string& peer, std::uint64_t instance = 1) {
    say(peer, link::Hello{link::kVersion, "edge", peer, instance, "test", "ws://" + peer});
    wire.inbox[peer].clear();
  }
  void want(const std::string& peer, const std::string& channel) { say(peer, link::Interest{channel, true}); }

  /// The oldest message of this kind, taken out.
  template <typename T>
  std::optional<T> take(const std::string& peer) {
    auto& box = wire.inbox[peer];
    for (auto at = box.begin(); at != box.end(); ++at)
      if (auto* m = std::get_if<T>(&*at)) {
        T out = std::move(*m);
        box.erase(at);
        return out;
      }
    return std::nullopt;
  }
  template <typename T>
  T must_take(const std::string& peer) {
    auto out = take<T>(peer);
    REQUIRE(out);
    return *std::move(out);
  }
  void send_draft(Draft draft, const std::string& peer = "pub") {
    say(peer, link::Publish{++last_ref, {std::move(draft)}});
  }
  link::PublishOutcome publish(Draft draft, const std::string& peer = "pub") {
    send_draft(std::move(draft), peer);
    auto result = must_take<link::PublishResult>(peer);
    REQUIRE(result.outcomes.size() == 1);
    return result.outcomes.front();
  }
  link::ReadResult read(const std::string& channel, Epoch epoch, Offset after) {
    say("reader", link::Read{++last_ref, channel, epoch, after, 0, 0});
    return must_take<link::ReadResult>("reader");
  }
};

inline Draft change(std::string event_id, std::string key, std::string incident,
                    std::string kind = "updated") {
  Draft d;
  d.channel = "incidents";
  d.event_id = std::move(event_id);
  d.kind = std::move(kind);
  d.key = std::move(key);
  d.incident = std::move(incident);
  return d;
}

}  // namespace tocsin::broker::testing
