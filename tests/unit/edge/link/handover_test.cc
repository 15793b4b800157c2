// What edges say to each other through the broker (LINK.md, section 7), as one of them.
#include <optional>

#include "tests/unit/edge/link/rig.h"

namespace tocsin::edge {
namespace {

link::SessionRecord record(std::string id) { return {std::move(id), "", 1, {}, ""}; }

TEST_SUITE("edge link: other edges") {
  TEST_CASE("L-29: heartbeats carry the load, and bring all edges") {
    Rig rig;
    rig.attach(0);
    CHECK(rig.link->edges().empty());
    rig.link->report({7, "cordoned", 100, 50, 300, 80});
    const auto beat = rig.only<link::EdgeHeartbeat>();  // a new state is said at once
    rig.link->report({8, "cordoned", 100, 50, 300, 80});
    CHECK(rig.sent<link::EdgeHeartbeat>().size() == 1);  // anything else with the next
    rig.tick(Millis{1'000});
    CHECK(rig.sent<link::EdgeHeartbeat>().back().clients == 8);
    CHECK(beat.clients == 7);
    CHECK(beat.state == "cordoned");
    CHECK(beat.clients_max == 100);
    CHECK(beat.take_per_s == 50);
    CHECK(beat.load == 300);
    CHECK(beat.weight == 80);
    link::EdgeInfo other;
    other.id = "edge-1";
    rig.say(link::BrokerHeartbeat{1, {}, 1, {}, {other}});
    REQUIRE(rig.link->edges().size() == 1);
    CHECK(rig.link->edges()[0].id == "edge-1");
    rig.link->on_disconnected();
    CHECK(rig.link->edges().size() == 1);  // the last that is known
  }

  TEST_CASE("L-30: staging is asked for once more without an answer, and ends by itself") {
    Rig rig;
    rig.attach(0);
    std::optional<Result<link::StageAnswer>> answer;
    const auto keep = [&](Result<link::StageAnswer> a) { answer = std::move(a); };
    rig.link->stage_sessions("edge-1", {record("s"), record("t")}, keep);
    const auto asked = rig.only<link::StageSessions>();
    CHECK(asked.target == "edge-1");
    REQUIRE(asked.records.size() == 2);
    CHECK(asked.records[1].id == "t");
    SUBCASE("accepted") {
      rig.say(link::StageAnswer{asked.ref, "edge-0", 2, {}});
      REQUIRE(answer);
      CHECK((*answer)->accepted == 2);
    }
    SUBCASE("accepted in part") {
      rig.say(link::StageAnswer{asked.ref, "edge-0", 1, {"overloaded", "full"}});
      REQUIRE(answer);
      REQUIRE(*answer);
      CHECK((*answer)->accepted == 1);
      CHECK((*answer)->fault.code == "overloaded");
    }
    SUBCASE("refused") {
      rig.say(link::StageAnswer{asked.ref, "edge-0", 0, {"overloaded", "cordoned"}});
      REQUIRE(answer);
      REQUIRE_FALSE(*answer);
      CHECK(answer->error().code == Errc::overloaded);
    }
    SUBCASE("a new session with the broker") {
      rig.link->on_connected();
      rig.welcome(2);
      CHECK(rig.sent<link::StageSessions>().size() == 2);
    }
    SUBCASE("nobody answers") {
      for (int i = 0; i < 60; ++i) rig.tick();
      REQUIRE(answer);
      REQUIRE_FALSE(*answer);
      CHECK(answer->error().code == Errc::unavailable);
    }
  }

  TEST_CASE("L-31: what is staged here is answered to the edge that sent it") {
    Rig rig;
    rig.attach(0);
    rig.sink.stage_answer = {0, {}, 1, {"overloaded", "full"}};
    rig.say(link::StageSessions{9, "edge-2", "edge-0", {record("s"), record("t")}});
    REQUIRE(rig.sink.staged.size() == 1);
    CHECK(rig.sink.staged[0].records.size() == 2);
    const auto answer = rig.only<link::StageAnswer>();
    CHECK(answer.ref == 9);
    CHECK(answer.to == "edge-2");
    CHECK(answer.accepted == 1);
    CHECK(answer.fault.code == "overloaded");
    CHECK(rig.metrics.link_bad_messages.value() == 0);
  }

  TEST_CASE("L-32: what became of a session travels both ways, while the broker is there") {
    Rig rig;
    rig.attach(0);
    rig.link->session_moved({"s", 2, "edge-1", "", "resumed"});
    CHECK(rig.only<link::SessionMoved>().to == "edge-1");
    rig.say(link::SessionMoved{"t", 3, "edge-0", "edge-1", "snapshot"});
    REQUIRE(rig.sink.moved.size() == 1);
    CHECK(rig.sink.moved[0].by == "edge-1");
    rig.link->on_disconnected();
    rig.link->session_moved({"u", 2, "edge-1", "", "lost"});
    CHECK(rig.sent<link::SessionMoved>().size() == 1);
  }

  TEST_CASE("L-33: the first key signs, all verify; they change while the link stands") {
    Rig rig;
    rig.link->on_connected();
    CHECK(rig.link->ticket_key().empty());
    rig.say(link::Welcome{"cluster", 1, "a", 1'000, 0, {"a", "b"}});
    CHECK(rig.link->ticket_key() == "a");
    CHECK(rig.link->ticket_keys() == std::vector<std::string>{"a", "b"});
    rig.say(link::TicketKeys{{"c", "a"}});
    CHECK(rig.link->ticket_key() == "c");
    CHECK(rig.link->ticket_keys() == std::vector<std::string>{"c", "a"});
    rig.say(link::TicketKeys{});  // nothing could be verified: not taken
    CHECK(rig.link->ticket_key() == "c");
    rig.welcome(2);  // a broker that knows one only
    CHECK(rig.link->ticket_keys() == std::vector<std::string>{"key"});
  }
}

}  // namespace
}  // namespace tocsin::edge
