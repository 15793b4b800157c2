// The promise, by a small model checker: whatever happens to sockets, links and clients, what a subscription
// is told - updates, skips, `replaces` - covers every offset after its position once, until the next
// `subscribed` says otherwise.
#include <doctest/doctest.h>

#include <array>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "proto/filter.h"
#include "tests/unit/edge/session/rig.h"

namespace tocsin::edge {
namespace {

using namespace rig;

/// One subscription as an independent client would follow it.
struct Stream {
  std::string channel;
  Filter filter;
  std::optional<Offset> since;
  bool started = false;
  Offset base = 0;
  std::set<Offset> seen;
  std::size_t conflated = 0, restarts = 0;

  /// Highest offset with everything up to it seen.
  [[nodiscard]] Offset whole() const {
    Offset at = base;
    for (const auto o : seen)
      if (o == at + 1)
        at = o;
      else
        break;
    return at;
  }
};

/// doctest counts every assertion; three million of them cost more than the gateway.
void must(bool holds, const char* what) {
  if (!holds) FAIL_CHECK(what);
}

class Follower {
 public:
  explicit Follower(Rig& rig) : rig_(rig) {}

  void follow(Stream& s, const std::string& frame) {
    const auto type = type_of(frame);
    if (type == "subscribed") return start(s, frame);
    REQUIRE(s.started);
    if (type == "update") return update(s, frame);
    if (type == "skip") return skip(s, number_of(frame, "from"), number_of(frame, "to"));
    if (type == "head") must(s.whole() >= number_of(frame, "offset"), "a head ran ahead of what was told");
  }

 private:
  [[nodiscard]] const Update& at(const Stream& s, Offset o) const {
    return rig_.broker.channels[s.channel].updates.at(o - 1);
  }

  void see(Stream& s, Offset o) {
    must(o > s.base, "an offset before the position");
    must(s.seen.insert(o).second, "an offset came twice");
  }
  void start(Stream& s, const std::string& frame) {
    const auto outcome = text_of(frame, "outcome");
    if (s.started) ++s.restarts;
    if (outcome == "resumed") {
      REQUIRE(s.since);
      must(number_of(frame, "position") == *s.since, "resumed elsewhere than asked");
    }
    s.started = true;
    s.base = number_of(frame, "position");
    s.seen.clear();
  }
  void update(Stream& s, const std::string& frame) {
    const Offset offset = number_of(frame, "offset");
    const Update& sent = at(s, offset);
    must(text_of(frame, "event_id") == sent.event_id, "another update than the log has");
    must(s.filter.matches(facts_of(sent)), "an update the filter removes");
    if (!s.seen.empty() && frame.find("replaces") == std::string::npos)
      must(offset == *s.seen.rbegin() + 1, "a hole");
    see(s, offset);
    const auto doc = json::parse(frame);
    const auto* replaces = json::find(*doc, "replaces");
    if (replaces == nullptr) return;
    for (const auto& r : replaces->GetArray()) {
      const Update& dropped = at(s, r.GetUint64());
      must(dropped.offset < offset, "replaces what comes later");
      must(dropped.key == sent.key, "replaces another incident");
      must(!dropped.ends, "an ending was dropped");
      must(facts_of(dropped).severity != "P0", "a P0 update was dropped");
      see(s, dropped.offset);
      ++s.conflated;
    }
  }
  void skip(Stream& s, Offset from, Offset to) {
    must(from <= to, "an empty skip");
    for (Offset o = from; o <= to; ++o) {
      must(!s.filter.matches(facts_of(at(s, o))), "a match was skipped");
      see(s, o);
    }
  }
  Rig& rig_;
};

struct Watcher {
  Peer* peer = nullptr;
  std::map<std::string, Stream> streams;  ///< by subscription id
  std::map<std::uint64_t, std::string> subs;
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed), rig_(small()), follower_(rig_) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    for (auto& w : watchers_) rig_.unblock(*w.peer);
    for (int i = 0; i < 30; ++i) {
      rig_.settle();
      for (auto& w : watchers_) {
        read(w);
        rig_.unblock(*w.peer);
      }
    }
    rig_.wait(Millis{6'000});
    rig_.settle();
    for (auto& w : watchers_) finish(w);
    CHECK_FALSE(rig_.outlet.overrun);
  }
  std::size_t conflated = 0, restarts = 0, finished = 0;
  [[nodiscard]] Rig& rig() { return rig_; }

 private:
  static Config small() {
    Config c;
    c.audience_max_bytes = 12'000;
    c.conflate_bytes = 2'000;
    c.conflate_stalled = Millis{300};
    c.slow_close = Millis{3'600'000};
    c.keepalive = Millis{3'600'000};
    c.recent_max_bytes = 30'000;
    return c;
  }
  unsigned roll(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }

  void step() {
    const unsigned dice = roll(100);
    if (dice < 40)
      publish();
    else if (dice < 48)
      join();
    else if (dice < 56 && !watchers_.empty())
      again(watchers_[roll(static_cast<unsigned>(watchers_.size()))]);
    else if (dice < 66 && !watchers_.empty())
      watchers_[roll(static_cast<unsigned>(watchers_.size()))].peer->socket.blocked = true;
    else if (dice < 76 && !watchers_.empty())
      rig_.unblock(*watchers_[roll(static_cast<unsigned>(watchers_.size()))].peer);
    else if (dice < 80)
      rig_.wait(Millis{100 * (1 + roll(6))});
    else if (dice < 84)
      rig_.broker.answer(1 + roll(3));
    else if (dice < 88)
      rig_.broker.feed(rig_.gateway->feed());
    else if (dice < 94)
      rig_.gateway->turn();
    else
      rig_.turn();
    for (auto& w : watchers_) read(w);
  }
  void publish() {
    static const std::array<const char*, 5> kSeverities{"P0", "P1", "P2", "P3", ""};
    const std::string channel = roll(3) == 0 ? "d" : "c";
    for (unsigned n = 1 + roll(30); n > 0; --n)
      rig_.broker.add(channel, "i" + std::to_string(roll(6)),
                      kSeverities[roll(10) < 2 ? roll(5) : 1 + roll(3)],
                      roll(12) == 0 ? "resolved" : "investigating");
  }
  void join() {
    if (watchers_.size() >= 12) return;
    Watcher w;
    w.peer = &rig_.connect();
    w.peer->socket.batch = roll(2) == 0 ? 65'536 : 900;
    watchers_.push_back(std::move(w));
    // max_batch is asked when a socket opens
    rig_.drop(*watchers_.back().peer);
    subscribe(reopen(watchers_.back()), {});
  }
  Watcher& reopen(Watcher& w) {
    const auto batch = w.peer->socket.batch;
    w.peer->socket = rig::FakeSocket{};
    w.peer->socket.batch = batch;
    w.peer->id = *rig_.gateway->open(&w.peer->socket, {});
    w.subs.clear();
    return w;
  }
  void subscribe(Watcher& w, std::map<std::string, Offset> from) {
    static const std::array<const char*, 4> kFilters{"{}", R"({"severity":["P0"]})",
                                                     R"({"incident":["i1","i2"]})",
                                                     R"({"status":["resolved"],"active":true})"};
    const bool resuming = !from.empty();
    if (!resuming)
      for (unsigned n = 1 + roll(3) / 2; n > 0; --n) {
        Stream s;
        s.channel = roll(3) == 0 ? "d" : "c";
        s.filter = *Filter::parse(kFilters[roll(4)]);
        w.streams["s" + std::to_string(n)] = std::move(s);
      }
    for (auto& [id, s] : w.streams) {
      std::string json = R"({"type":"subscribe","id":")" + id + R"(","channel":")" + s.channel +
                         R"(","filter":)" + s.filter.canonical();
      const auto it = from.find(id);
      s.started = false;
      s.since = it != from.end() ? std::optional(it->second) : std::nullopt;
      if (s.since)
        json += R"(,"since":{"epoch":"0000000000000001","offset":)" + std::to_string(*s.since) + "}";
      if (roll(4) == 0) json += R"(,"snapshot":true)";
      if (roll(5) == 0) json += roll(2) == 0 ? R"(,"conflate":true)" : R"(,"conflate":false)";
      rig_.say(*w.peer, json + "}");
    }
  }
  /// Cuts the socket and resumes from what the client has.
  void again(Watcher& w) {
    read(w);
    std::map<std::string, Offset> from;
    for (auto& [id, s] : w.streams)
      if (s.started) from[id] = s.whole();
    if (from.size() != w.streams.size()) return;
    rig_.drop(*w.peer);
    subscribe(reopen(w), from);
  }
  void read(Watcher& w) {
    for (const auto& frame : w.peer->take()) {
      const auto type = type_of(frame);
      must(type != "error" && type != "closing", "an error or a close");
      if (type == "subscribed") w.subs[number_of(frame, "sub")] = text_of(frame, "id");
      if (type == "welcome" || type == "snapshot") continue;
      const auto sub = w.subs.find(number_of(frame, "sub"));
      REQUIRE(sub != w.subs.end());
      Stream& s = w.streams[sub->second];
      const auto conflated_before = s.conflated, restarts_before = s.restarts;
      follower_.follow(s, frame);
      conflated += s.conflated - conflated_before;
      restarts += s.restarts - restarts_before;
    }
  }
  void finish(Watcher& w) {
    read(w);
    for (auto& [id, s] : w.streams) {
      CAPTURE(id);
      CHECK(s.started);
      CHECK(s.whole() == rig_.broker.channels[s.channel].last());
      ++finished;
    }
  }

  std::mt19937 random_;
  Rig rig_;
  Follower follower_;
  std::vector<Watcher> watchers_;
};

TEST_CASE(
    "PROTOCOL 1.6: every stream is whole over random publishes, joins, cuts, blocked sockets and time") {
  std::size_t conflated = 0, restarts = 0, finished = 0, fell = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.run(150);
    conflated += world.conflated;
    restarts += world.restarts;
    finished += world.finished;
    fell += static_cast<std::size_t>(world.rig().metrics.fell_behind.value());
  }
  // The walk went where it hurts.
  CHECK(finished > 300);
  CHECK(conflated > 50);
  CHECK(fell > 10);
  CHECK(restarts > 1);
}

}  // namespace
}  // namespace tocsin::edge
