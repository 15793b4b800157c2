// A channel's feed is contiguous and once, whatever the wire does.
#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/edge/link/rig.h"

namespace tocsin::edge {
namespace {

TEST_SUITE("edge link: feeds") {
  TEST_CASE("interest is declared once online, and updates follow the head") {
    Rig rig;
    rig.link->want(kChannel);
    CHECK(rig.wire.sent.empty());
    rig.link->on_connected();
    rig.welcome();
    CHECK(rig.only<link::Interest>().channel == kChannel);
    rig.head(4);
    REQUIRE(rig.sink.attached.size() == 1);
    CHECK(rig.sink.attached[0].head.last == 4);
    CHECK(rig.sink.attached[0].lost.empty());
    rig.updates(5, 7);
    CHECK(rig.sink.offsets == range(5, 7));
    CHECK(rig.sent<link::Read>().empty());
  }

  TEST_CASE("an interest that is not answered is said again") {
    Rig rig;
    rig.link->on_connected();
    rig.welcome();
    rig.link->want(kChannel);
    rig.tick(Millis{500});
    CHECK(rig.sent<link::Interest>().size() == 1);
    rig.tick(Millis{500});
    CHECK(rig.sent<link::Interest>().size() == 2);
  }

  TEST_CASE("a gap is read, and what came meanwhile waits behind it") {
    Rig rig;
    rig.attach(0);
    rig.updates(1, 2);
    rig.updates(5, 6);
    CHECK(rig.sink.offsets == range(1, 2));
    const auto read = rig.only<link::Read>();
    CHECK(read.after == 2);
    CHECK(read.epoch == kEpoch);
    rig.updates(7, 7);
    CHECK(rig.sent<link::Read>().size() == 1);
    rig.say(link::ReadResult{read.ref, {kChannel, kEpoch, 1, 7}, records(3, 4), {}});
    CHECK(rig.sink.offsets == range(1, 7));
    CHECK(rig.sent<link::Read>().size() == 1);
  }

  TEST_CASE("a long gap is read page by page") {
    Rig rig;
    rig.attach(0);
    rig.updates(10, 10);
    rig.say(link::ReadResult{rig.only<link::Read>().ref, {kChannel, kEpoch, 1, 10}, records(1, 5), {}});
    rig.wire.sent.pop_front();
    const auto second = rig.only<link::Read>();
    CHECK(second.after == 5);
    rig.say(link::ReadResult{second.ref, {kChannel, kEpoch, 1, 10}, records(6, 10), {}});
    CHECK(rig.sink.offsets == range(1, 10));
  }

  TEST_CASE("duplicates are dropped") {
    Rig rig;
    rig.attach(0);
    rig.updates(1, 3);
    rig.updates(1, 3);
    rig.updates(2, 4);
    CHECK(rig.sink.offsets == range(1, 4));
    CHECK(rig.metrics.link_duplicates.value() == 5);
  }

  TEST_CASE("a lost tail is noticed by the head in a heartbeat") {
    Rig rig;
    rig.attach(3);
    rig.heartbeat(1, {{kChannel, kEpoch, 1, 5}});
    const auto read = rig.only<link::Read>();
    CHECK(read.after == 3);
    rig.say(link::ReadResult{read.ref, {kChannel, kEpoch, 1, 5}, records(4, 5), {}});
    CHECK(rig.sink.offsets == range(4, 5));
  }

  TEST_CASE("an epoch that changed is told, and the new one goes on from its head") {
    Rig rig;
    rig.attach(3);
    rig.updates(9, 9, Epoch{8});
    const auto read = rig.only<link::Read>();
    CHECK(read.epoch == kEpoch);
    CHECK(rig.sink.attached.size() == 1);
    rig.say(link::ReadResult{read.ref, {kChannel, Epoch{8}, 1, 9}, {}, {"position_lost", ""}});
    REQUIRE(rig.sink.attached.size() == 2);
    CHECK(rig.sink.attached[1].lost == "epoch_changed");
    CHECK(rig.sink.attached[1].head.last == 9);
    rig.updates(10, 11, Epoch{8});
    CHECK(rig.sink.offsets == range(10, 11));
  }

  TEST_CASE("a late message of an older epoch changes nothing") {
    Rig rig;
    rig.attach(3);
    rig.head(40, Epoch{6});
    const auto read = rig.only<link::Read>();
    rig.say(link::ReadResult{read.ref, {kChannel, kEpoch, 1, 3}, {}, {}});
    CHECK(rig.sink.attached.size() == 1);
    rig.updates(4, 4);
    CHECK(rig.sink.offsets == range(4, 4));
  }

  TEST_CASE("history that fell away under a gap is told as too_old") {
    Rig rig;
    rig.attach(3);
    rig.updates(20, 21);
    rig.say(link::ReadResult{
        rig.only<link::Read>().ref, {kChannel, kEpoch, 15, 19}, {}, {"position_lost", "trimmed"}});
    REQUIRE(rig.sink.attached.size() == 2);
    CHECK(rig.sink.attached[1].lost == "too_old");
    CHECK(rig.sink.attached[1].head.last == 19);
    CHECK(rig.sink.offsets == range(20, 21));
  }

  TEST_CASE("a position that is lost without a head is asked for again") {
    Rig rig;
    rig.attach(3);
    rig.updates(5, 5);
    rig.say(link::ReadResult{rig.only<link::Read>().ref, {}, {}, {"position_lost", ""}});
    CHECK(rig.only<link::Interest>().want);
    rig.head(5, Epoch{9});
    REQUIRE(rig.sink.attached.size() == 2);
    CHECK(rig.sink.attached[1].lost == "epoch_changed");
  }

  TEST_CASE("what waits behind a gap is bounded, and read again when it was dropped") {
    Config config;
    config.link_reorder_bytes = 4'096;
    Rig rig(config);
    rig.attach(0);
    rig.say(link::Updates{kChannel, kEpoch, records(2, 10, 1'000)});
    CHECK(rig.metrics.link_waiting_bytes.value() == 4'000);
    CHECK(rig.metrics.link_dropped_behind_gap.value() == 5);
    rig.say(link::ReadResult{rig.only<link::Read>().ref, {kChannel, kEpoch, 1, 10}, records(1, 1), {}});
    CHECK(rig.sink.offsets == range(1, 5));
    CHECK(rig.metrics.link_waiting_bytes.value() == 0);
    rig.wire.sent.pop_front();
    CHECK(rig.only<link::Read>().after == 5);
  }

  TEST_CASE("interest is said again to a restarted broker, and the gap of its absence is read") {
    Rig rig;
    rig.attach(3);
    rig.link->on_disconnected();
    rig.link->on_connected();
    rig.wire.sent.clear();
    rig.welcome(2);
    CHECK(rig.only<link::Interest>().want);
    rig.head(6);
    CHECK(rig.sink.attached.size() == 1);
    rig.say(link::ReadResult{rig.only<link::Read>().ref, {kChannel, kEpoch, 1, 6}, records(4, 6), {}});
    CHECK(rig.sink.offsets == range(4, 6));
  }

  TEST_CASE("a channel that heartbeats forget is asked for again") {
    Rig rig;
    rig.attach(3);
    for (std::uint64_t i = 1; i <= 6; ++i) {
      rig.heartbeat(i);
      rig.tick(Millis{1'000});
    }
    CHECK(rig.only<link::Interest>().want);
  }

  TEST_CASE("after unwant nothing comes, and the broker is told again if it goes on") {
    Rig rig;
    rig.attach(3);
    rig.link->unwant(kChannel);
    CHECK_FALSE(rig.only<link::Interest>().want);
    rig.updates(4, 4);
    CHECK(rig.sink.offsets.empty());
    CHECK(rig.sent<link::Interest>().size() == 2);
  }

  TEST_CASE("absurd offsets are ignored") {
    Rig rig;
    rig.attach(3);
    rig.say(link::Updates{kChannel, kEpoch, {record_at(~Offset{0}), record_at(0)}});
    rig.head(~Offset{0});
    rig.updates(4, 4);
    CHECK(rig.sink.offsets == range(4, 4));
  }
}

/// A broker with a log, behind a wire that loses, repeats and reorders in both directions.
struct BadWeather {
  Rig rig;
  std::mt19937_64 random;
  Offset last = 0;
  bool interested = false;
  std::vector<link::Message> down;

  explicit BadWeather(std::uint64_t seed) : random(seed) {}
  bool chance(unsigned percent) { return random() % 100 < percent; }

  void reply(link::Message message) {
    if (chance(10)) return;
    if (chance(10)) down.push_back(message);
    down.push_back(std::move(message));
  }
  void serve() {
    auto sent = std::exchange(rig.wire.sent, {});
    for (auto& message : sent) {
      if (chance(10)) continue;
      if (std::holds_alternative<link::Hello>(message)) reply(link::Welcome{"c", 1, "k", 1'000, 0});
      if (auto* interest = std::get_if<link::Interest>(&message)) {
        interested = interest->want;
        reply(link::InterestAck{{kChannel, kEpoch, 1, last}});
      }
      if (auto* read = std::get_if<link::Read>(&message))
        reply(link::ReadResult{read->ref,
                               {kChannel, kEpoch, 1, last},
                               records(read->after + 1, std::min(last, read->after + 5)),
                               {}});
    }
  }
  void publish() {
    const Offset from = last + 1;
    last += 1 + random() % 3;
    if (interested) reply(link::Updates{kChannel, kEpoch, records(from, last)});
  }
  void deliver() {
    while (!down.empty() && !chance(20)) {
      const std::size_t i = chance(70) ? 0 : random() % down.size();
      const auto message = down[i];
      down.erase(down.begin() + static_cast<std::ptrdiff_t>(i));
      rig.say(message);
    }
  }
};

TEST_CASE("edge link: contiguous and once over a wire that loses, repeats and reorders") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    BadWeather world(seed);
    world.rig.link->want(kChannel);
    world.rig.link->on_connected();
    for (int turn = 0; turn < 900; ++turn) {
      if (turn < 300) world.publish();
      if (turn % 10 == 0)
        world.reply(link::BrokerHeartbeat{static_cast<std::uint64_t>(turn),
                                          {{kChannel, kEpoch, 1, world.last}},
                                          static_cast<std::uint64_t>(turn),
                                          {}});
      world.serve();
      world.deliver();
      world.rig.tick();
    }
    const auto& sink = world.rig.sink;
    REQUIRE(sink.attached.size() == 1);
    CHECK(sink.offsets == range(sink.attached[0].head.last + 1, world.last));
  }
}

}  // namespace
}  // namespace tocsin::edge
