// Sessions of addresses and subjects over the whole cluster (LINK.md, section 8).
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "tests/unit/broker/core_fixture.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

struct Edges : Broker {
  Edges() {
    for (const char* peer : {"edge-0", "edge-1", "edge-2"}) {
      edge(peer);
      report(peer, true, {});
    }
    pass(Millis{100});
    for (auto& [peer, box] : wire.inbox) box.clear();
  }
  void report(const std::string& peer, bool first, std::vector<link::Count> counts) {
    say(peer, link::CountsReport{first, std::move(counts), 4, 10, 0});
  }
  void beat(const std::string& peer) { say(peer, link::EdgeHeartbeat{1, 0, 0, "ready", 100, 50, 0, 100}); }
  /// What an edge was told since it was last asked, as it ends.
  std::map<std::string, std::uint32_t> told(const std::string& peer) {
    std::map<std::string, std::uint32_t> out;
    while (const auto message = take<link::CountsTold>(peer))
      for (const auto& [key, n] : message->counts) out[key] = n;
    return out;
  }
};

using Told = std::map<std::string, std::uint32_t>;

}  // namespace

TEST_CASE("L-41: edges are told of the others' sessions from half of the limit on") {
  Edges b;
  b.report("edge-0", false, {{"ix", 1}, {"salice", 5}, {"a", 50}});
  b.pass(Millis{100});
  CHECK(b.told("edge-0").empty());
  CHECK(b.told("edge-1") == Told{{"salice", 5}});
  b.report("edge-1", false, {{"ix", 1}});
  b.pass(Millis{100});
  CHECK(b.told("edge-0") == Told{{"ix", 1}});
  CHECK(b.told("edge-1") == Told{{"ix", 1}});
  CHECK(b.told("edge-2") == Told{{"ix", 2}, {"salice", 5}});
  // A session that moves leaves one edge and enters another: nobody else hears of a change.
  b.report("edge-0", false, {{"ix", 0}});
  b.report("edge-1", false, {{"ix", 2}});
  b.pass(Millis{100});
  CHECK(b.told("edge-0") == Told{{"ix", 2}});
  CHECK(b.told("edge-1") == Told{{"ix", 0}});
  b.report("edge-1", false, {{"ix", 0}});
  b.pass(Millis{100});
  CHECK(b.told("edge-0") == Told{{"ix", 0}});
  CHECK(b.told("edge-2") == Told{{"ix", 0}});
}

TEST_CASE("L-42: an edge that is silent, gone or begins anew has no sessions of before") {
  Edges b;
  b.report("edge-0", false, {{"ix", 3}});
  b.pass(Millis{100});
  CHECK(b.told("edge-1") == Told{{"ix", 3}});
  for (int i = 0; i < 35; ++i) {  // edge-0 says nothing
    b.beat("edge-1");
    b.pass(Millis{100});
  }
  CHECK(b.told("edge-1") == Told{{"ix", 0}});
  b.beat("edge-0");
  b.pass(Millis{100});
  CHECK(b.told("edge-1") == Told{{"ix", 3}});
  b.report("edge-0", true, {{"ix", 2}});
  b.pass(Millis{100});
  CHECK(b.told("edge-1") == Told{{"ix", 2}});
  b.edge("edge-0", 2);
  b.pass(Millis{100});
  CHECK(b.told("edge-1") == Told{{"ix", 0}});
}

TEST_CASE("L-43: who is welcomed, or whose queue was full, is told everything") {
  Edges b;
  b.report("edge-0", false, {{"ix", 3}});
  b.wire.full = "edge-1";
  b.pass(Millis{100});
  b.wire.full.clear();
  b.pass(Millis{100});
  const auto message = b.take<link::CountsTold>("edge-1");
  REQUIRE(message);
  CHECK(message->first);
  REQUIRE(message->counts.size() == 1);
  CHECK(message->counts[0].n == 3);
  b.edge("edge-2", 2);
  b.report("edge-2", true, {});
  b.pass(Millis{100});
  CHECK(b.told("edge-2") == Told{{"ix", 3}});
}

TEST_CASE("counts of others than edges are not taken") {
  Edges b;
  b.say("pub", link::Hello{link::kVersion, "client", "pub", 1, "", ""});
  b.report("pub", true, {{"ix", 100}});
  b.pass(Millis{100});
  CHECK(b.told("edge-0").empty());
}
