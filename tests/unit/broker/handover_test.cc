// What edges learn of each other through the broker: the registry, staged sessions, and what became of them
// (LINK.md, section 7).
#include <doctest/doctest.h>

#include "tests/unit/broker/core_fixture.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

link::SessionRecord record(std::string id, std::uint64_t fence = 1) {
  link::SessionRecord r;
  r.id = std::move(id);
  r.fence = fence;
  r.subs.push_back({"a", "incidents", "{}", {Epoch{5}, 17}, false, 0, "json"});
  return r;
}

struct Edges : Broker {
  explicit Edges(Config c = {}) : Broker(std::move(c)) {
    for (const char* peer : {"edge-0", "edge-1"}) edge(peer);
    say("pub", link::Hello{link::kVersion, "client", "pub", 1, "", ""});
  }
  std::vector<link::EdgeInfo> registry(const std::string& at) {
    wire.inbox.clear();
    pass(config.heartbeat);
    return must_take<link::BrokerHeartbeat>(at).edges;
  }
  void beat(const std::string& edge, const std::string& state = "ready") {
    say(edge, link::EdgeHeartbeat{1, 0, 7, state, 100, 50, 300, 100});
  }
  std::string refusal(const std::string& target, std::vector<link::SessionRecord> records) {
    say("edge-0", link::StageSessions{9, "", target, std::move(records)});
    const auto answer = must_take<link::StageAnswer>("edge-0");
    CHECK(answer.ref == 9);
    CHECK(answer.accepted == 0);
    CHECK_FALSE(take<link::StageSessions>(target));
    return answer.fault.code;
  }
};

}  // namespace

TEST_CASE("L-29: edges are told of all edges by id, publishers of none") {
  Edges b;
  b.beat("edge-1");
  const auto known = b.registry("edge-0");
  REQUIRE(known.size() == 2);
  CHECK(known[0].id == "edge-0");
  CHECK(known[0].state == "starting");  // it has not said more than hello
  CHECK(known[1].id == "edge-1");
  CHECK(known[1].endpoint == "ws://edge-1");
  CHECK(known[1].revision == "test");
  CHECK(known[1].state == "ready");
  CHECK(known[1].clients == 7);
  CHECK(known[1].clients_max == 100);
  CHECK(known[1].take_per_s == 50);
  CHECK(known[1].load == 300);
  CHECK(known[1].weight == 100);
  CHECK(b.must_take<link::BrokerHeartbeat>("pub").edges.empty());
  b.say("edge-2", link::Hello{link::kVersion, "edge", "edge-2", 1, "", ""});  // knows them from the beginning
  CHECK(b.must_take<link::BrokerHeartbeat>("edge-2").edges.size() == 3);
}

TEST_CASE(
    "L-29: an edge that says nothing is silent, then forgotten; what it said last is gone when it returns") {
  Edges b;
  for (int i = 0; i < 4; ++i) {
    b.beat("edge-0");
    b.pass(Millis{1'000});
  }
  auto known = b.registry("edge-0");
  REQUIRE(known.size() == 2);
  CHECK(known[0].state == "ready");
  CHECK(known[1].state == "silent");
  b.beat("edge-1", "cordoned");
  CHECK(b.registry("edge-0")[1].state == "cordoned");
  b.edge("edge-1", 2);
  CHECK(b.registry("edge-0")[1].state == "starting");
  for (int i = 0; i < 6; ++i) {
    b.beat("edge-0");
    b.pass(Millis{1'000});
  }
  CHECK(b.registry("edge-0").size() == 1);
}

TEST_CASE("L-30, L-31: staged records are kept, reach the target, and its answer comes back") {
  Edges b;
  b.say("edge-0", link::StageSessions{9, "someone else", "edge-1", {record("s"), record("t")}});
  auto staged = b.must_take<link::StageSessions>("edge-1");
  CHECK(staged.ref == 9);
  CHECK(staged.from == "edge-0");
  REQUIRE(staged.records.size() == 2);
  CHECK(staged.records[1].id == "t");
  CHECK(staged.records[1].subs.at(0).position == Position{Epoch{5}, 17});
  CHECK_FALSE(b.take<link::StageAnswer>("edge-0"));  // the target answers

  b.say("edge-1", link::StageAnswer{9, "edge-0", 1, {"overloaded", "full"}});
  const auto answer = b.must_take<link::StageAnswer>("edge-0");
  CHECK(answer.ref == 9);
  CHECK(answer.accepted == 1);
  CHECK(answer.fault.code == "overloaded");

  b.say("edge-1", link::SessionClaim{3, "s", "edge-1", 1});
  const auto state = b.must_take<link::SessionState>("edge-1");
  CHECK(state.found);
  CHECK(state.former == "edge-0");
  CHECK(state.record.subs.at(0).position.offset == 17);
}

TEST_CASE("L-30: what may not be staged is refused, and reaches nobody") {
  Config config;
  config.session_max_bytes = 1'024;
  Edges b(config);
  auto large = record("large");
  large.subs[0].filter = std::string(2'000, 'x');
  SUBCASE("a target nobody knows") { CHECK(b.refusal("edge-9", {record("s")}) == "unavailable"); }
  SUBCASE("a publisher for a target") { CHECK(b.refusal("pub", {record("s")}) == "unavailable"); }
  SUBCASE("no target") { CHECK(b.refusal("", {record("s")}) == "unavailable"); }
  SUBCASE("the asker as the target") { CHECK(b.refusal("edge-0", {record("s")}) == "invalid_argument"); }
  SUBCASE("nothing") { CHECK(b.refusal("edge-1", {}) == "invalid_argument"); }
  SUBCASE("no id") { CHECK(b.refusal("edge-1", {record("")}) == "invalid_argument"); }
  SUBCASE("an id that is none") {
    CHECK(b.refusal("edge-1", {record(std::string(65, 'x'))}) == "invalid_argument");
  }
  SUBCASE("a record that is too large") { CHECK(b.refusal("edge-1", {large}) == "invalid_argument"); }
  SUBCASE("too many at once") {
    CHECK(b.refusal("edge-1", std::vector<link::SessionRecord>(1'025, record("s"))) == "invalid_argument");
    b.say("edge-1", link::SessionClaim{3, "s", "edge-1"});
    CHECK_FALSE(b.must_take<link::SessionState>("edge-1").found);  // none was kept
  }
  SUBCASE("a target that is silent") {
    for (int i = 0; i < 4; ++i) {
      b.beat("edge-0");
      b.pass(Millis{1'000});
    }
    CHECK(b.refusal("edge-1", {record("s")}) == "unavailable");
    b.beat("edge-1");
    b.say("edge-1", link::SessionClaim{3, "s", "edge-1"});
    CHECK(b.must_take<link::SessionState>("edge-1").found);  // kept for whoever resumes it
  }
  SUBCASE("a target whose queue is full") {
    b.wire.full = "edge-1";
    CHECK(b.refusal("edge-1", {record("s")}) == "overloaded");
  }
  SUBCASE("by a publisher") {
    b.say("pub", link::StageSessions{9, "", "edge-1", {record("s")}});
    b.say("pub", link::StageAnswer{9, "edge-0", 1, {}});
    b.say("pub", link::SessionMoved{"s", 2, "edge-0", "", "resumed"});
    CHECK(b.metrics->bad_messages.value() == 3);
    CHECK_FALSE(b.take<link::StageAnswer>("edge-0"));
    CHECK_FALSE(b.take<link::SessionMoved>("edge-0"));
  }
  CHECK_FALSE(b.take<link::StageSessions>("edge-1"));
}

TEST_CASE("L-30: a session that another edge has taken over is left out of what is staged") {
  Edges b;
  b.say("edge-0", link::SessionPuts{{{record("s"), true}, {record("t"), true}}});
  b.say("edge-1", link::SessionClaim{3, "s", "edge-1", 1});
  b.say("edge-0", link::StageSessions{9, "", "edge-1", {record("s"), record("t"), record("")}});
  const auto staged = b.must_take<link::StageSessions>("edge-1");
  REQUIRE(staged.records.size() == 1);
  CHECK(staged.records[0].id == "t");
  CHECK(b.refusal("edge-1", {record("s")}) == "invalid_argument");
}

TEST_CASE("L-26: the edge that had a session is told, connected there or not, and the new one who it was") {
  Edges b;
  b.say("edge-0", link::SessionPut{record("s"), false});
  b.say("edge-1", link::SessionClaim{3, "s", "edge-1", 1});
  const auto fenced = b.must_take<link::SessionFenced>("edge-0");
  CHECK(fenced.id == "s");
  CHECK(fenced.fence == 2);
  CHECK(fenced.edge == "edge-1");
  CHECK(b.must_take<link::SessionState>("edge-1").former == "edge-0");
  SUBCASE("again by the same edge: it was nobody else's") {
    b.say("edge-1", link::SessionPut{record("s", 2), false});
    b.say("edge-1", link::SessionClaim{4, "s", "edge-1", 2});
    CHECK(b.must_take<link::SessionState>("edge-1").former.empty());
    CHECK_FALSE(b.take<link::SessionFenced>("edge-1"));
    CHECK_FALSE(b.take<link::SessionFenced>("edge-0"));
  }
  SUBCASE("a session nobody knows was nobody's") {
    b.say("edge-1", link::SessionClaim{4, "new", "edge-1"});
    CHECK(b.must_take<link::SessionState>("edge-1").former.empty());
  }
}

TEST_CASE("L-32: what became of a session is told to the edge that had it, in the name of who says so") {
  Edges b;
  b.say("edge-1", link::SessionMoved{"s", 2, "edge-0", "edge-7", "snapshot"});
  const auto moved = b.must_take<link::SessionMoved>("edge-0");
  CHECK(moved.id == "s");
  CHECK(moved.fence == 2);
  CHECK(moved.by == "edge-1");
  CHECK(moved.outcome == "snapshot");
  b.say("edge-1", link::SessionMoved{"s", 2, "edge-9", "", "resumed"});  // it is gone: nobody is told
  b.say("edge-1", link::StageAnswer{4, "edge-9", 1, {}});
  CHECK(b.metrics->bad_messages.value() == 0);
}
