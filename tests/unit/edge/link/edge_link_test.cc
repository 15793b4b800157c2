// Sessions with the broker, requests, readiness.
#include <optional>
#include <random>

#include "tests/unit/edge/link/rig.h"

namespace tocsin::edge {
namespace {

Draft draft(std::string event_id = {}) {
  Draft d;
  d.channel = kChannel;
  d.kind = "created";
  d.event_id = std::move(event_id);
  return d;
}

TEST_SUITE("edge link: session with the broker") {
  TEST_CASE("Hello is repeated until a Welcome comes") {
    Rig rig;
    rig.link->tick();
    CHECK(rig.only<link::Hello>().role == "edge");
    rig.tick(Millis{1'000});
    CHECK(rig.sent<link::Hello>().size() == 2);
    rig.welcome();
    rig.tick(Millis{1'000});
    CHECK(rig.sent<link::Hello>().size() == 2);
    CHECK(rig.link->ticket_key() == "key");
    CHECK(rig.link->cluster() == "cluster");
  }

  TEST_CASE("heartbeats go out each second, and earlier when much was received") {
    Rig rig;
    rig.attach(0);
    rig.tick(Millis{1'000});
    CHECK(rig.only<link::EdgeHeartbeat>().received_bytes == 0);
    rig.say(link::Updates{kChannel, kEpoch, records(1, 3, 100'000)});
    const auto beats = rig.sent<link::EdgeHeartbeat>();
    REQUIRE(beats.size() == 2);
    CHECK(beats[1].received_bytes > 300'000);
  }

  TEST_CASE("silence ends the session, and Hello is said again") {
    Rig rig;
    rig.attach(0);
    for (int i = 0; i < 6; ++i) rig.tick(Millis{1'000});
    CHECK(rig.sent<link::Hello>().size() >= 1);
    CHECK(rig.link->not_ready_reason().starts_with("no connection to the broker"));
  }

  TEST_CASE("a broker that forgot the edge hears Hello at once") {
    Rig rig;
    rig.attach(0);
    rig.say(link::Refused{{"unavailable", "hello first"}});
    CHECK(rig.sent<link::Hello>().size() == 1);
    rig.say(link::Refused{{"unauthorized", "unknown key"}});
    CHECK(rig.sent<link::Hello>().size() == 1);
    CHECK(rig.link->not_ready_reason() == "the broker refused this edge: unknown key");
  }

  TEST_CASE("ready means the canary moved less than 3 s ago") {
    Rig rig;
    CHECK_FALSE(rig.link->ready());
    rig.attach(0);
    CHECK_FALSE(rig.link->ready());
    rig.heartbeat(1);
    CHECK(rig.link->ready());
    CHECK(rig.link->not_ready_reason().empty());
    for (int i = 0; i < 2; ++i) {
      rig.clock.pass(Millis{1'000});
      rig.heartbeat(1);
    }
    CHECK(rig.link->ready());
    rig.clock.pass(Millis{1'000});
    rig.heartbeat(1);
    CHECK_FALSE(rig.link->ready());
    rig.heartbeat(2);
    CHECK(rig.link->ready());
    rig.say(link::BrokerHeartbeat{9, {}, 3, "the disk is full"});
    CHECK(rig.link->not_ready_reason() == "the broker takes no updates: the disk is full");
  }

  TEST_CASE("a fenced session is passed on") {
    Rig rig;
    rig.attach(0);
    rig.say(link::SessionFenced{"s1", 4, "edge-1"});
    REQUIRE(rig.sink.fenced.size() == 1);
    CHECK(rig.sink.fenced[0] == std::pair<std::string, std::uint64_t>{"s1", 4});
  }

  TEST_CASE("session records of the last seconds are said again to a restarted broker") {
    Rig rig;
    rig.attach(0);
    rig.link->put_session({"s1", "", 2, {}, "edge-0"}, true);
    rig.link->put_session({"s1", "", 3, {}, "edge-0"}, true);
    rig.link->put_session({"s1", "", 2, {}, "edge-0"}, true);
    CHECK(rig.sent<link::SessionPut>().size() == 2);
    rig.link->on_connected();
    rig.wire.sent.clear();
    rig.welcome(2);
    CHECK(rig.only<link::SessionPut>().record.fence == 3);
    for (int i = 0; i < 6; ++i) {
      rig.heartbeat(static_cast<std::uint64_t>(i));
      rig.tick(Millis{1'000});
    }
    rig.link->on_connected();
    rig.wire.sent.clear();
    rig.welcome(3);
    CHECK(rig.sent<link::SessionPut>().empty());
  }

  TEST_CASE("session records that change together travel together, and are said again one by one") {
    Rig rig;
    rig.attach(0);
    rig.link->put_session({"old", "", 5, {}, "edge-0"}, true);
    rig.wire.sent.clear();
    rig.link->put_sessions(
        {{"s1", "", 1, {}, "edge-0"}, {"old", "", 4, {}, "edge-0"}, {"s2", "", 1, {}, "edge-0"}});
    const auto together = rig.only<link::SessionPuts>().puts;
    REQUIRE(together.size() == 2);
    CHECK(together[0].record.id == "s1");
    CHECK(together[1].record.id == "s2");
    CHECK(rig.sent<link::SessionPut>().empty());
    rig.link->on_connected();
    rig.wire.sent.clear();
    rig.welcome(2);
    CHECK(rig.sent<link::SessionPut>().size() == 3);
  }

  TEST_CASE("hostile bytes are counted and dropped") {
    Rig rig;
    rig.attach(0);
    std::mt19937_64 random(5);
    const std::string good = link::encode(link::Updates{kChannel, kEpoch, records(1, 3)});
    for (int i = 0; i < 5'000; ++i) {
      std::string bytes = good;
      for (int flips = 0; flips < 4; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
      bytes.resize(random() % (bytes.size() + 1));
      rig.link->on_bytes(bytes);
    }
    CHECK(rig.metrics.link_bad_messages.value() > 0);
    rig.say(link::Hello{});
    rig.say(link::Publish{});
  }
}

TEST_SUITE("edge link: requests") {
  TEST_CASE(
      "a publish without event_id gets one, and is sent again with it to a restarted broker; the answer comes once") {
    Rig rig;
    rig.attach(0);
    int answers = 0;
    rig.link->publish({draft()}, [&](Result<std::vector<link::PublishOutcome>> outcomes) {
      REQUIRE(outcomes);
      CHECK(outcomes->at(0).position.offset == 1);
      ++answers;
    });
    const auto first = rig.only<link::Publish>();
    CHECK(first.drafts[0].event_id.size() == 32);
    rig.link->on_connected();
    rig.wire.sent.clear();
    rig.welcome(2);
    const auto again = rig.only<link::Publish>();
    CHECK(again.ref != first.ref);
    CHECK(again.drafts[0].event_id == first.drafts[0].event_id);
    // A late answer to the first copy is not the truth any more: the second may have been decided otherwise.
    link::PublishOutcome conflict;
    conflict.fault = link::fault_of({Errc::conflict, "at 2"});
    rig.say(link::PublishResult{first.ref, {conflict}});
    CHECK(answers == 0);
    const link::PublishResult result{
        again.ref, {link::PublishOutcome{{kEpoch, 1}, false, Durability::disk, 1, "e", {}}}};
    rig.say(result);
    rig.say(result);
    CHECK(answers == 1);
    CHECK(rig.metrics.link_publish_bytes.value() == 0);
  }

  TEST_CASE("the broker's publish window is kept, in order") {
    Rig rig;
    rig.link->on_connected();
    rig.welcome(1, 2);
    rig.wire.sent.clear();
    for (int i = 0; i < 4; ++i) rig.link->publish({draft(std::to_string(i))}, [](const auto&) {});
    auto sent = rig.sent<link::Publish>();
    REQUIRE(sent.size() == 2);
    rig.say(link::PublishResult{sent[0].ref, {link::PublishOutcome{}}});
    sent = rig.sent<link::Publish>();
    REQUIRE(sent.size() == 3);
    CHECK(sent[2].drafts[0].event_id == "2");
  }

  TEST_CASE("a full queue of publishes refuses as overloaded, on a later turn") {
    Config config;
    config.link_publish_queue_bytes = 65'536;
    Rig rig(config);
    Draft big = draft("a");
    big.incident = std::string(60'000, ' ');
    std::optional<Errc> refused;
    rig.link->publish({big}, [](const auto&) {});
    rig.link->publish({big}, [&](const auto& outcome) { refused = outcome.error().code; });
    CHECK_FALSE(refused);
    rig.tick();
    CHECK(refused == Errc::overloaded);
  }

  TEST_CASE("identical reads are asked once and answered each") {
    Rig rig;
    rig.attach(0);
    int answers = 0;
    for (int i = 0; i < 3; ++i)
      rig.link->read(kChannel, {kEpoch, 2}, 1'000, [&](Result<link::ReadResult> page) {
        answers += page && page->records.size() == 2 ? 1 : 0;
      });
    rig.link->read(kChannel, {kEpoch, 3}, 1'000, [](const auto&) {});
    const auto asked = rig.sent<link::Read>();
    REQUIRE(asked.size() == 2);
    rig.say(link::ReadResult{asked[0].ref, {kChannel, kEpoch, 1, 4}, records(3, 4), {}});
    CHECK(answers == 3);
  }

  TEST_CASE("a fault in an answer is the asker's error") {
    Rig rig;
    rig.attach(0);
    std::optional<Errc> code;
    rig.link->read(kChannel, {Epoch{1}, 2}, 1'000, [&](const auto& page) { code = page.error().code; });
    rig.say(link::ReadResult{rig.only<link::Read>().ref, {}, {}, {"position_lost", ""}});
    CHECK(code == Errc::position_lost);
  }

  TEST_CASE("at the deadline the answer is unavailable, once, also when the broker answers later") {
    Rig rig;
    rig.attach(0);
    int answers = 0;
    rig.link->get_channel(kChannel, [&](const auto& info) {
      ++answers;
      CHECK(info.error().code == Errc::unavailable);
    });
    const auto ref = rig.only<link::GetChannel>().ref;
    for (int i = 0; i < 6; ++i) rig.tick(Millis{1'000});
    CHECK(answers == 1);
    rig.say(link::ChannelInfo{ref, {}, {}});
    CHECK(answers == 1);
  }

  TEST_CASE("a question that was asked while the broker was away is sent when it comes") {
    Rig rig;
    rig.link->get_channel(kChannel, [](const auto&) {});
    CHECK(rig.wire.sent.empty());
    rig.link->on_connected();
    rig.welcome();
    CHECK(rig.sent<link::GetChannel>().size() == 1);
  }

  TEST_CASE("a full wire delays a question, it does not lose it") {
    Rig rig;
    rig.attach(0);
    rig.wire.taking = false;
    rig.link->get_channel(kChannel, [](const auto&) {});
    rig.wire.taking = true;
    rig.tick();
    CHECK(rig.sent<link::GetChannel>().size() == 1);
  }

  TEST_CASE("a claim is never sent twice: a second one would fence our own socket") {
    Rig rig;
    rig.attach(0);
    std::optional<Errc> code;
    rig.link->claim_session("s1", 1, "", [&](const auto& state) { code = state.error().code; });
    rig.link->on_connected();
    rig.welcome(2);
    rig.tick();
    CHECK(rig.sent<link::SessionClaim>().size() == 1);
    CHECK(code == Errc::unavailable);
  }

  TEST_CASE("an answer may ask anew") {
    Rig rig;
    rig.attach(0);
    int pages = 0;
    std::function<void(Result<link::ReadResult>)> next = [&](Result<link::ReadResult>) {
      if (++pages < 3) rig.link->read(kChannel, {kEpoch, 2}, 1'000, next);
    };
    rig.link->read(kChannel, {kEpoch, 2}, 1'000, next);
    for (int i = 0; i < 3; ++i) {
      const auto read = rig.only<link::Read>();
      rig.wire.sent.clear();
      rig.say(link::ReadResult{read.ref, {kChannel, kEpoch, 1, 2}, {}, {}});
    }
    CHECK(pages == 3);
  }
}

TEST_SUITE("edge link: revocations") {
  using Of = link::Revocation::Of;
  link::Revocation token(const char* name, std::uint64_t number) { return {Of::token, name, 0, 9, number}; }

  TEST_CASE("L-38: what an edge has missed it asks for, and what it was told of another list it keeps") {
    Rig rig;
    rig.attach(0);
    rig.say(link::Revocations{5, 0, 1, {token("a", 1)}});
    rig.say(link::Revocations{5, 1, 1, {}});
    CHECK(rig.sent<link::RevocationsAsk>().empty());
    rig.say(link::Revocations{5, 2, 3, {token("c", 3)}});  // it did not hear of 2
    const auto ask = rig.only<link::RevocationsAsk>();
    CHECK(ask.list == 5);
    CHECK(ask.after == 1);
    rig.say(link::Revocations{5, 1, 3, {token("b", 2), token("c", 3)}});
    rig.wire.sent.clear();
    rig.say(link::Revocations{5, 3, 3, {}});
    CHECK(rig.sent<link::RevocationsAsk>().empty());
    CHECK(rig.sink.revoked == std::vector<std::string>{"a", "c", "b", "c"});
    rig.say(link::Revocations{6, 4, 4, {}});  // a broker that has lost its folder
    CHECK(rig.only<link::RevocationsAsk>().after == 3);
    rig.say(link::Revocations{6, 0, 4, {token("d", 4)}});
    CHECK(rig.sink.revoked.back() == "d");
  }
}

}  // namespace
}  // namespace tocsin::edge
