// What tokens permit, at the broker: publishes within rows (L-35), and revocations, kept and told to every
// edge (L-37, L-38).
#include <doctest/doctest.h>

#include "tests/unit/broker/core_fixture.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

using Of = link::Revocation::Of;

Draft of_tenant(std::string event_id, std::string key, std::string incident, std::string within) {
  Draft d = change(std::move(event_id), std::move(key), std::move(incident));
  d.within = std::move(within);
  return d;
}

struct Revoking : Broker {
  using Broker::Broker;
  link::Revocation one(Of of, const std::string& name, std::int64_t lasts_ms = 60'000) const {
    return {of, name, of == Of::subject ? clock.wall_ms() : 0, clock.wall_ms() + lasts_ms, 0};
  }
  link::Fault revoke(std::vector<link::Revocation> list, const std::string& edge = "edge-0") {
    say(edge, link::Revoke{++last_ref, std::move(list)});
    auto answer = must_take<link::RevokeAnswer>(edge);
    CHECK(answer.ref == last_ref);
    return answer.fault;
  }
  std::vector<link::Revocations> told(const std::string& edge) {
    std::vector<link::Revocations> out;
    while (auto m = take<link::Revocations>(edge)) out.push_back(*m);
    return out;
  }
  /// What an edge is told that connects now, before anything else but its welcome.
  std::vector<std::string> names_told(const std::string& edge) {
    wire.inbox[edge].clear();
    say(edge, link::Hello{link::kVersion, "edge", edge, ++last_ref, "", ""});
    must_take<link::Welcome>(edge);
    CHECK(std::holds_alternative<link::Revocations>(wire.inbox[edge].front()));
    std::vector<std::string> out;
    for (const auto& m : told(edge))
      for (const auto& r : m.revocations) out.push_back(r.name);
    return out;
  }
};

}  // namespace

TEST_CASE("L-35: who sees only some rows changes only those, and moves none in or out") {
  Broker b;
  b.edge("pub");
  const std::string acme = R"({"label.tenant":["acme"]})";
  CHECK(b.publish(change("1", "B", R"({"title":"secret","labels":{"tenant":"other"}})")).fault.ok());
  // The attack: label a foreign incident as one's own, and be shown all of it.
  CHECK(b.publish(of_tenant("2", "B", R"({"labels":{"tenant":"acme"}})", acme)).fault.code == "forbidden");
  CHECK(b.publish(of_tenant("3", "B", R"({"title":"x"})", acme)).fault.code == "forbidden");
  CHECK(b.publish(of_tenant("4", "A", R"({"title":"no label"})", acme)).fault.code == "forbidden");
  CHECK(b.publish(of_tenant("5", "A", R"({"labels":{"tenant":"other"}})", acme)).fault.code == "forbidden");
  CHECK(b.publish(of_tenant("6", "A", R"({"labels":{"tenant":"acme"}})", acme)).fault.ok());
  CHECK(b.publish(of_tenant("7", "A", R"({"labels":{"tenant":"other"}})", acme)).fault.code == "forbidden");
  CHECK(b.publish(of_tenant("8", "A", R"({"labels":null})", acme)).fault.code == "forbidden");
  CHECK(b.publish(of_tenant("9", "A", R"({"severity":"P1"})", acme)).fault.ok());
  CHECK(b.publish(of_tenant("10", "A", R"({"severity":"P1"})", R"({"label.tenant":[]})")).fault.code ==
        "forbidden");
  CHECK(b.publish(of_tenant("11", "A", R"({"severity":"P1"})", "{broken")).fault.code == "invalid_argument");
  // Nothing of what was refused is left, and its event ids are free.
  CHECK(b.publish(change("2", "B", R"({"title":"y"})")).position.offset == 4);
}

TEST_CASE("L-35: incidents are listed within rows, whatever the filter says") {
  Broker b;
  b.edge("pub");
  b.publish(change("1", "A", R"({"labels":{"tenant":"acme"}})"));
  b.publish(change("2", "B", R"({"labels":{"tenant":"other"}})"));
  b.say("e", link::Hello{link::kVersion, "edge", "e", 1, "", ""});
  b.say("e", link::ListIncidents{1, "incidents", R"({"within":{"label.tenant":["acme"]}})", "", 10});
  const auto page = b.must_take<link::IncidentsPage>("e");
  REQUIRE(page.incidents.size() == 1);
  CHECK(page.incidents[0].key == "A");
}

TEST_CASE("L-37, L-38: a revocation is told to every edge, and to those that come later, until it ends") {
  Revoking b;
  b.edge("edge-0");
  b.edge("edge-1");
  CHECK(b.revoke({b.one(Of::token, "t1"), b.one(Of::subject, "eve", 5'000)}).ok());
  for (const char* edge : {"edge-0", "edge-1"}) {
    const auto told = b.told(edge);
    REQUIRE(told.size() == 1);
    CHECK(told[0].after == 0);
    CHECK(told[0].last == 2);
    REQUIRE(told[0].revocations.size() == 2);
    CHECK(told[0].revocations[1].name == "eve");
    CHECK(told[0].revocations[1].of == Of::subject);
  }
  using Names = std::vector<std::string>;
  CHECK(b.names_told("edge-2") == Names{"t1", "eve"});
  b.pass(Millis{6'000});
  CHECK(b.names_told("edge-2") == Names{"t1"});
}

TEST_CASE("L-37: revocations outlive the broker; nothing is answered or told before they are durable") {
  Revoking b;
  b.edge("edge-0");
  b.store->open = false;
  b.say("edge-0", link::Revoke{7, {b.one(Of::token, "t1")}});
  CHECK_FALSE(b.take<link::RevokeAnswer>("edge-0"));
  CHECK(b.told("edge-0").empty());
  b.store->open = true;
  b.store->release();
  b.settle();
  CHECK(b.must_take<link::RevokeAnswer>("edge-0").fault.ok());
  CHECK(b.told("edge-0").size() == 1);
  b.start();
  CHECK(b.names_told("edge-0") == std::vector<std::string>{"t1"});
  CHECK(b.revoke({b.one(Of::token, "t2")}).ok());
  b.start();
  CHECK(b.names_told("edge-0") == std::vector<std::string>{"t1", "t2"});
}

TEST_CASE("L-37: a revocation that could not be kept is told to nobody, and the next is") {
  Revoking b;
  b.edge("edge-0");
  b.store->failing = Error{Errc::disk_full, "full"};
  b.say("edge-0", link::Revoke{7, {b.one(Of::token, "t1")}});
  b.store->release();
  b.settle();
  CHECK(b.must_take<link::RevokeAnswer>("edge-0").fault.code == "disk_full");
  CHECK(b.told("edge-0").empty());
  b.store->failing.reset();
  b.pass(Millis{3'000});
  b.edge("edge-0");
  CHECK(b.revoke({b.one(Of::token, "t2")}).ok());
  CHECK(b.names_told("edge-1") == std::vector<std::string>{"t2"});
}

TEST_CASE("L-38: an edge that missed something is told what it lacks; heartbeats say how far the list goes") {
  Revoking b;
  b.edge("edge-0");
  CHECK(b.revoke({b.one(Of::token, "t1")}).ok());
  CHECK(b.revoke({b.one(Of::token, "t2")}).ok());
  const auto list = b.told("edge-0").at(0).list;
  b.pass(Millis{1'100});
  const auto reminded = b.told("edge-0");
  REQUIRE(!reminded.empty());
  CHECK(reminded[0].after == 2);
  CHECK(reminded[0].revocations.empty());
  b.say("edge-0", link::RevocationsAsk{list, 1});
  auto told = b.told("edge-0");
  REQUIRE(told.size() == 1);
  CHECK(told[0].revocations.at(0).name == "t2");
  b.say("edge-0", link::RevocationsAsk{list + 1, 1});
  CHECK(b.told("edge-0").at(0).revocations.size() == 2);
}

TEST_CASE("L-37: what is no revocation is refused, and so is one by a publisher") {
  Config config;
  config.revocations_max = 2;
  Revoking b(config);
  b.edge("edge-0");
  CHECK(b.revoke({}).code == "invalid_argument");
  CHECK(b.revoke({b.one(Of::token, "")}).code == "invalid_argument");
  CHECK(b.revoke({b.one(Of::token, "t", -1)}).code == "invalid_argument");
  CHECK(b.revoke({b.one(Of::token, "a"), b.one(Of::token, "b"), b.one(Of::token, "c")}).code == "too_many");
  b.say("pub", link::Hello{link::kVersion, "client", "pub", 1, "", ""});
  CHECK(b.revoke({b.one(Of::token, "a")}, "pub").code == "forbidden");
  CHECK(b.revoke({b.one(Of::token, "a")}).ok());
}
