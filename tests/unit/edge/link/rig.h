#pragma once
// A link with hands on both ends: the test plays the broker and the sink records what the edge would see.
#include <doctest/doctest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "common/metrics/metrics.h"
#include "edge/link/edge_link.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant steady() const override { return now_; }
  [[nodiscard]] std::int64_t wall_ms() const override { return now_.time_since_epoch().count(); }
  void pass(Millis time) { now_ += time; }

 private:
  Instant now_{Millis{1'000'000}};
};

struct RecordingWire final : LinkWire {
  std::deque<link::Message> sent;
  bool taking = true;
  bool send(std::string bytes) override {
    if (!taking) return false;
    auto message = link::decode(bytes);
    REQUIRE(message);
    sent.push_back(std::move(*message));
    return true;
  }
};

struct RecordingSink final : FeedSink {
  struct Attached {
    link::Head head;
    std::string lost;
  };
  std::vector<Attached> attached;
  std::vector<Offset> offsets;
  std::vector<std::pair<std::string, std::uint64_t>> fenced;
  void on_attached(const link::Head& head, std::string_view lost) override {
    attached.push_back({head, std::string(lost)});
  }
  void on_updates(const std::string&, const std::vector<Record>& records) override {
    for (const Record& record : records) offsets.push_back(record.offset);
  }
  void on_session_fenced(const std::string& id, std::uint64_t fence) override {
    fenced.emplace_back(id, fence);
  }
  link::StageAnswer on_stage(const link::StageSessions& sessions) override {
    staged.push_back(sessions);
    return stage_answer;
  }
  void on_session_moved(const link::SessionMoved& session) override { moved.push_back(session); }
  void on_revocations(const std::vector<link::Revocation>& list) override {
    for (const auto& one : list) revoked.push_back(one.name);
  }
  std::vector<std::string> revoked;
  std::vector<link::StageSessions> staged;
  link::StageAnswer stage_answer;
  std::vector<link::SessionMoved> moved;
};

inline constexpr Epoch kEpoch{7};
inline const std::string kChannel = "incidents";

inline Record record_at(Offset offset, std::size_t size = 10) {
  return {offset, std::make_shared<const std::string>(size, 'x')};
}
inline std::vector<Record> records(Offset from, Offset to, std::size_t size = 10) {
  std::vector<Record> out;
  for (Offset o = from; o <= to; ++o) out.push_back(record_at(o, size));
  return out;
}
inline std::vector<Offset> range(Offset from, Offset to) {
  std::vector<Offset> out;
  for (Offset o = from; o <= to; ++o) out.push_back(o);
  return out;
}

struct Rig {
  Config config;
  ManualClock clock;
  RecordingWire wire;
  RecordingSink sink;
  metrics::Registry registry;
  Metrics metrics{registry};
  std::uint64_t seed = 1;
  std::unique_ptr<EdgeLink> link;

  explicit Rig(Config config_in = {}) : config(std::move(config_in)) {
    link = std::make_unique<EdgeLink>(
        config, clock, wire, [this] { return seed = seed * 6364136223846793005U + 1442695040888963407U; },
        metrics);
    link->attach_sink(sink);
  }

  void say(const link::Message& message) { link->on_bytes(link::encode(message)); }
  void welcome(std::uint64_t instance = 1, std::uint32_t window = 0) {
    say(link::Welcome{"cluster", instance, "key", 1'000, window});
  }
  void heartbeat(std::uint64_t canary, std::vector<link::Head> heads = {}) {
    say(link::BrokerHeartbeat{canary, std::move(heads), canary, {}});
  }
  void updates(Offset from, Offset to, Epoch epoch = kEpoch) {
    say(link::Updates{kChannel, epoch, records(from, to)});
  }
  void head(Offset last, Epoch epoch = kEpoch) { say(link::InterestAck{{kChannel, epoch, 1, last}}); }
  void tick(Millis after = Millis{100}) {
    clock.pass(after);
    link->tick();
  }
  /// Online, with kChannel attached at `last`; nothing in wire.sent.
  void attach(Offset last) {
    link->on_connected();
    welcome();
    link->want(kChannel);
    head(last);
    wire.sent.clear();
  }
  template <typename M>
  std::vector<M> sent() const {
    std::vector<M> out;
    for (const auto& message : wire.sent)
      if (const M* found = std::get_if<M>(&message)) out.push_back(*found);
    return out;
  }
  template <typename M>
  M only() const {
    const auto all = sent<M>();
    REQUIRE(all.size() == 1);
    return all.front();
  }
};

}  // namespace tocsin::edge
