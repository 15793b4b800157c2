// The row policy (PROTOCOL 9.6): whatever a client asks, resumes, refreshes or falls behind in, nothing
// outside of what its token lets it see is written to it - and what is inside is whole.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>

#include "common/auth/token.h"
#include "edge/auth/gate.h"
#include "proto/filter.h"
#include "tests/unit/edge/session/rig.h"

using namespace tocsin;
using namespace tocsin::edge;
using namespace tocsin::edge::rig;

namespace {

constexpr const char* kEnv = "TOCSIN_TEST_ROWS_KEY";
const std::string kSecret = "0123456789abcdef0123456789abcdef";

Config guarded() {
  ::setenv(kEnv, kSecret.c_str(), 1);
  Config config;
  config.auth_key_env = kEnv;
  config.auth_row_policy = "tenant=label.tenant";
  config.conflate_bytes = 2'000;
  config.audience_max_bytes = 20'000;
  config.recent_max_bytes = 30'000;
  return config;
}

/// Two rules, for the random test: both have to be kept.
Config by_two() {
  Config config = guarded();
  config.auth_row_policy = "tenant=label.tenant team=team";
  return config;
}

struct Rows : Rig {
  explicit Rows(Config c = guarded()) : Rig(std::move(c)) {
    REQUIRE(gate.load());
    gateway->guard(gate);
  }
  /// `tenants` as JSON: "\"a\"", "[\"a\",\"b\"]", "[]".
  std::string token(const std::string& tenants, const std::string& subject = "bob",
                    const std::string& teams = "") {
    const auto now = clock.wall_ms() / 1'000;
    auth::Claims claims{subject, "", "", now, now + 3'600, {{"*"}, {"*"}, {}}};
    if (!tenants.empty()) claims.more.emplace_back("tenant", tenants);
    if (!teams.empty()) claims.more.emplace_back("team", teams);
    return *auth::mint(claims, {"", *crypto::SigningKey::secret(kSecret)}, {});
  }
  Peer& with(const std::string& tenants, const std::string& teams = "") {
    Opening opening;
    opening.token = token(tenants, "bob", teams);
    return connect(opening);
  }
  /// Without a tenant it has no labels.
  void put(const std::string& key, const std::string& tenant, const std::string& severity = "P2",
           const std::string& team = "") {
    auto& log = broker.channels["c"];
    broker.add("c", key, severity);
    log.updates.back().incident = R"({"id":")" + key + R"(","severity":")" + severity +
                                  R"(","status":"investigating","title":")" + tenant + "-" +
                                  std::to_string(log.last()) + "\"" +
                                  (team.empty() ? "" : R"(,"team":")" + team + "\"") +
                                  (tenant.empty() ? "" : R"(,"labels":{"tenant":")" + tenant + "\"}") + "}";
  }
  void reload(const std::string& policy) {
    Config next = config;
    next.auth_row_policy = policy;
    REQUIRE(gate.check(next));
    config = std::move(next);
    if (gate.apply()) gateway->rules_changed();
  }
  Gate gate{config, clock, metrics};
};

std::string refresh(const std::string& token) { return R"({"type":"refresh","token":")" + token + "\"}"; }
std::string subscribe(const std::string& filter, const std::string& more = "") {
  return R"({"type":"subscribe","id":"a","channel":"c","filter":)" + filter + more + "}";
}

/// Every incident in the frames.
std::vector<Facts> incidents_of(const std::vector<std::string>& frames) {
  std::vector<Facts> out;
  for (const auto& frame : frames) {
    const auto doc = json::parse(frame);
    REQUIRE(doc);
    const auto take = [&](const json::Value& v) {
      out.push_back(facts_of_incident(std::string(**json::string_member(v, "id")), json::text(v)));
    };
    if (const auto* one = json::find(*doc, "incident")) take(*one);
    if (const auto* list = json::find(*doc, "incidents"))
      for (const auto& v : list->GetArray()) take(v);
  }
  return out;
}

std::vector<std::string> tenants_of(const std::vector<std::string>& frames) {
  std::vector<std::string> out;
  for (const auto& facts : incidents_of(frames))
    for (const auto& [label, value] : facts.labels)
      if (label == "tenant") out.push_back(value);
  return out;
}

}  // namespace

TEST_CASE("PROTOCOL 9.6: clients with one filter and other rows share neither updates nor snapshots") {
  Rows r;
  r.put("A", "a");
  r.put("B", "b");
  auto& a = r.with("\"a\"");
  auto& b = r.with("\"b\"");
  auto& both = r.with("[\"a\",\"b\"]");
  auto& all = r.with("\"*\"");
  auto& none = r.with("[]");
  for (auto* peer : {&a, &b, &both, &all, &none}) r.say(*peer, subscribe("{}", R"(,"snapshot":true)"));
  r.settle();
  r.put("A", "a");
  r.put("B", "b");
  r.settle();
  using Tenants = std::vector<std::string>;
  const auto seen = [](Peer& peer) {
    auto out = tenants_of(peer.take());
    std::sort(out.begin(), out.end());
    return out;
  };
  CHECK(seen(a) == Tenants{"a", "a"});
  CHECK(seen(b) == Tenants{"b", "b"});
  CHECK(seen(both) == Tenants{"a", "a", "b", "b"});
  CHECK(seen(all) == Tenants{"a", "a", "b", "b"});
  CHECK(seen(none).empty());
}

TEST_CASE("PROTOCOL 9.6: a client's own filter narrows what it may see, and never widens it") {
  Rows r;
  r.put("A", "a");
  r.put("B", "b");
  struct Row {
    const char* filter;
    std::vector<std::string> seen;
  };
  const Row rows[] = {{R"({"labels":{"tenant":["b"]}})", {}},
                      {R"({"labels":{"tenant":["a","b"]}})", {"a"}},
                      {R"({"incident":["A","B"]})", {"a"}},
                      {R"({"within":{},"severity":["P2"]})", {"a"}},
                      {R"({"within":{"label.tenant":["b"]}})", {"a"}}};
  for (const auto& row : rows) {
    CAPTURE(row.filter);
    auto& a = r.with("\"a\"");
    r.say(a, subscribe(row.filter, R"(,"snapshot":true)"));
    r.settle();
    CHECK(tenants_of(a.take()) == row.seen);
    r.drop(a);
  }
}

TEST_CASE("PROTOCOL 9.6: an incident that leaves is not shown outside, one that comes in is shown whole") {
  Rows r;
  r.put("A", "a");
  auto& a = r.with("\"a\"");
  r.say(a, subscribe("{}"));
  r.settle();
  a.take();
  r.put("A", "b");
  r.settle();
  r.wait(Millis{6'000});
  const auto left = a.take();
  CHECK(incidents_of(left).empty());
  CHECK(of_type(left, "skip").size() == 1);
  r.put("A", "a");
  r.settle();
  CHECK(tenants_of(a.take()) == std::vector<std::string>{"a"});
}

TEST_CASE("PROTOCOL 9.6: application events, and incidents without the label, are inside of no rows") {
  Rows r;
  auto& a = r.with("\"a\"");
  auto& all = r.with("\"*\"");
  for (auto* peer : {&a, &all}) r.say(*peer, subscribe("{}"));
  r.settle();
  a.take();
  all.take();
  r.broker.add("c", "E", "");
  r.broker.add("c", "I", "P1");
  r.settle();
  CHECK(of_type(a.take(), "update").empty());
  CHECK(of_type(all.take(), "update").size() == 2);
}

TEST_CASE("PROTOCOL 9.6: a token without the claim is not valid, and nobody may see by an empty one") {
  Rows r;
  for (const char* tenants : {"", "\"\"", "true", "{\"a\":1}", "[\"a\",{}]"}) {
    CAPTURE(tenants);
    Opening opening;
    opening.encoding.door = Door::sse;
    opening.query = "channel=c";
    opening.token = r.token(tenants);
    FakeSocket socket;
    CHECK(r.gateway->open(&socket, opening).error().code == Errc::unauthorized);
  }
}

TEST_CASE("PROTOCOL 9.6: a publish carries what its publisher may see") {
  Rows r;
  auto& a = r.with("[\"a\",\"b\"]");
  r.say(a, R"({"type":"publish","ref":"p","update":{"channel":"c","key":"K","incident":{"title":"t"}}})");
  r.settle();
  REQUIRE(r.broker.published.size() == 1);
  CHECK(r.broker.published[0].within == R"({"label.tenant":["a","b"]})");
}

TEST_CASE("PROTOCOL 9.6: a refresh to other rows begins each stream again; to the same, goes on") {
  Rows r;
  r.put("A", "a");
  r.put("B", "b");
  auto& p = r.with("\"a\"");
  r.say(p, subscribe("{}"));
  r.settle();
  p.take();
  r.say(p, refresh(r.token("[\"a\"]")));
  r.put("A", "a");
  r.settle();
  auto frames = p.take();
  CHECK(of_type(frames, "subscribed").empty());
  CHECK(tenants_of(frames) == std::vector<std::string>{"a"});
  r.say(p, refresh(r.token("\"b\"")));
  r.put("A", "a");
  r.settle();
  frames = p.take();
  const auto again = of_type(frames, "subscribed");
  REQUIRE(again.size() == 1);
  CHECK(text_of(again[0], "outcome") == "snapshot");
  CHECK(text_of(again[0], "reason") == "filter_changed");
  CHECK(text_of(again[0], "id") == "a");
  CHECK(tenants_of(frames) == std::vector<std::string>{"b"});
}

TEST_CASE(
    "PROTOCOL 9.6: a snapshot that waits for a slow client is not written after a refresh to other rows") {
  Rows r;
  for (int i = 0; i < 50; ++i) r.put("A" + std::to_string(i), "a");
  auto& p = r.with("\"a\"");
  p.socket.batch = 600;
  r.say(p, R"({"type":"connect"})");
  r.settle();
  p.socket.blocked = true;
  r.say(p, subscribe("{}", R"(,"snapshot":true)"));
  r.settle();
  p.take();  // one write of it is with the system
  r.say(p, R"({"type":"ping","ref":"mine"})");
  r.say(p, refresh(r.token("\"b\"")));
  r.unblock(p);
  r.settle();
  const auto frames = p.take();
  CHECK(tenants_of(frames).empty());
  CHECK(of_type(frames, "pong").size() == 1);
  REQUIRE(!of_type(frames, "snapshot").empty());
  CHECK(text_of(of_type(frames, "subscribed").back(), "reason") == "filter_changed");
}

TEST_CASE("PROTOCOL 9.6.5: a policy that is reloaded counts at once for who is connected") {
  Rows r;
  r.put("A", "a", "P2", "x");
  r.put("B", "a", "P2", "y");
  auto& p = r.with("\"a\"", "\"x\"");
  auto& without = r.with("\"a\"");
  auto& all = r.with("\"*\"", "\"*\"");
  auto& paused = r.with("\"a\"", "\"x\"");
  for (auto* peer : {&p, &without, &all, &paused}) r.say(*peer, subscribe("{}"));
  r.settle();
  for (auto* peer : {&p, &without, &all, &paused}) peer->take();
  p.socket.blocked = true;  // what waits for it was made by the old policy
  r.put("B", "a", "P2", "y");
  r.settle();
  p.take();
  r.reload("tenant=label.tenant");  // the same: nothing happens
  r.settle();
  CHECK(of_type(all.take(), "subscribed").empty());
  r.reload("tenant=label.tenant team=team");
  r.unblock(p);
  r.put("A", "a", "P2", "x");
  r.put("B", "a", "P2", "y");
  r.settle();
  const auto frames = p.take();
  const auto again = of_type(frames, "subscribed");
  REQUIRE(again.size() == 1);
  CHECK(text_of(again[0], "reason") == "filter_changed");
  for (const auto& facts : incidents_of(frames)) CHECK(facts.team == "x");
  CHECK(!incidents_of(frames).empty());
  CHECK(without.socket.closed);                      // its token does not say
  CHECK(of_type(all.take(), "subscribed").empty());  // it sees what it saw
  r.reload("");
  r.put("C", "c");
  r.settle();
  CHECK(!of_type(p.take(), "subscribed").empty());
  r.put("C", "c");
  r.settle();
  CHECK(tenants_of(p.take()) == std::vector<std::string>{"c"});
}

TEST_CASE("PROTOCOL 9.6: a ticket resumes at its position for the same rows, and by snapshot for others") {
  Rows r;
  r.put("A", "a");
  r.put("B", "b");
  for (const bool same : {true, false}) {
    auto& p = r.with("\"a\"");
    r.say(p, subscribe("{}"));
    r.settle();
    r.wait(Millis{26'000});
    const auto ticket = text_of(of_type(p.take(), "welcome").at(0), "ticket");
    r.drop(p);
    r.put("A", "a");
    r.put("B", "b");
    auto& back = r.with(same ? "\"a\"" : "\"b\"");
    r.say(back, R"({"type":"connect","ticket":")" + ticket + "\"}");
    r.settle();
    const auto frames = back.take();
    const auto subscribed = of_type(frames, "subscribed");
    REQUIRE(subscribed.size() == 1);
    CHECK(text_of(subscribed[0], "outcome") == (same ? "resumed" : "snapshot"));
    CHECK(tenants_of(frames) == std::vector<std::string>{same ? "a" : "b"});
    r.drop(back);
    // The record is of the rows now: a second resume with them is none of other rows.
    CHECK(r.broker.sessions.begin()->second.subs.at(0).filter == "{}");
    r.broker.sessions.clear();
  }
}

namespace {

/// One client of the random test.
struct Dashboard {
  Peer* peer = nullptr;
  std::string rows;   ///< JSON of the claim
  std::string teams;  ///< of the other one
  std::string ticket;
  std::map<std::string, std::string> view;  ///< id -> incident
  bool whole = false;                       ///< nothing was declared lost since the view began
  [[nodiscard]] static bool lets(const std::string& claim, const std::string& value) {
    return claim == "\"*\"" || (!value.empty() && claim.find("\"" + value + "\"") != std::string::npos);
  }
  [[nodiscard]] bool may_see(const Facts& facts, bool by_team) const {
    return lets(rows, facts.labels.empty() ? "" : std::string(facts.labels.at(0).second)) &&
           (!by_team || lets(teams, std::string(facts.team)));
  }
};

struct Walk : Rows {
  explicit Walk(unsigned s) : Rows(by_two()), random(s) {}
  unsigned roll(unsigned n) { return static_cast<unsigned>(random() % n); }
  std::string rows() {
    const char* all[] = {"\"a\"", "\"b\"", "\"c\"", "[\"a\",\"b\"]", "[\"b\",\"c\"]", "\"*\"", "[]"};
    return all[roll(7)];
  }
  std::string teams() {
    const char* all[] = {"\"x\"", "[\"x\",\"y\"]", "\"*\"", "\"*\""};
    return all[roll(4)];
  }
  void look(Dashboard& d) {
    for (const auto& frame : d.peer->take()) {
      for (const auto& facts : incidents_of({frame}))
        if (!d.may_see(facts, by_team)) FAIL_CHECK(d.rows << " " << d.teams << " was shown " << frame);
      const bool all = d.rows == "\"*\"" && (!by_team || d.teams == "\"*\"");
      if (type_of(frame) == "update" && frame.find("\"incident\"") == std::string::npos && !all)
        FAIL_CHECK(d.rows << " " << d.teams << " was shown an event: " << frame);
      if (type_of(frame) == "welcome" || type_of(frame) == "closing")
        if (const auto t = text_of(frame, "ticket"); !t.empty()) d.ticket = t;
      const auto doc = json::parse(frame);
      if (type_of(frame) == "welcome" && frame.find("\"resumed\":false") != std::string::npos)
        d.whole = false;
      if (type_of(frame) == "subscribed") {
        const auto outcome = text_of(frame, "outcome");
        if (outcome == "snapshot") d.view.clear();
        d.whole = outcome == "snapshot" || outcome == "live" || (outcome == "resumed" && d.whole);
      }
      const auto take = [&](const json::Value& v) {
        d.view[std::string(**json::string_member(v, "id"))] = json::text(v);
      };
      if (const auto* one = json::find(*doc, "incident")) take(*one);
      if (const auto* list = json::find(*doc, "incidents"))
        for (const auto& v : list->GetArray()) take(v);
    }
  }
  void open(Dashboard& d, bool resume) {
    if (!resume || roll(2) == 0) d.rows = rows(), d.teams = teams();
    d.peer = &with(d.rows, d.teams);
    d.peer->socket.batch = 500 + roll(3'000);
    if (resume && !d.ticket.empty()) {
      say(*d.peer, R"({"type":"connect","ticket":")" + d.ticket + "\"}");
    } else {
      d.view.clear();
      const char* filters[] = {"{}", R"({"severity":["P1","P2"]})", R"({"labels":{"tenant":["a","b","c"]}})"};
      const char* more[] = {R"(,"snapshot":true)", R"(,"snapshot":true,"conflate":true)",
                            R"(,"snapshot":true,"conflate":false)", R"(,"snapshot":true,"max_rate":5)"};
      say(*d.peer, subscribe(filters[roll(3)], more[roll(4)]));
    }
  }
  void step(Dashboard& d) {
    switch (roll(7)) {
      case 0:
        d.peer->socket.blocked = true;
        break;
      case 1:
        unblock(*d.peer);
        break;
      case 2:
        look(d);
        d.rows = rows();
        d.teams = teams();
        say(*d.peer, refresh(token(d.rows, "bob", d.teams)));
        break;
      case 3:
        drop(*d.peer);
        look(d);
        open(d, true);
        break;
      default:
        look(d);
        gateway->pong(d.peer->id);
    }
    if (d.peer->socket.closed) {
      drop(*d.peer);
      look(d);
      open(d, true);
    }
  }
  void change() {
    if (roll(12) == 0) return (void)broker.add("c", "E" + std::to_string(roll(3)), "");
    const char* tenants[] = {"a", "b", "c", "d", ""};
    const char* of_teams[] = {"x", "y", ""};
    const char* severities[] = {"P0", "P1", "P2"};
    put("I" + std::to_string(roll(20)), tenants[roll(5)], severities[roll(3)], of_teams[roll(3)]);
  }
  /// The policy is reloaded: with the second rule, or without.
  void other_policy(std::vector<Dashboard>& all) {
    for (auto& d : all) look(d);
    by_team = !by_team;
    reload(by_team ? "tenant=label.tenant team=team" : "tenant=label.tenant");
  }
  std::mt19937 random;
  bool by_team = true;
};

}  // namespace

TEST_CASE("PROTOCOL 9.6: nothing outside leaks, through any turn of events; what is inside arrives") {
  unsigned judged = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Walk w(seed);
    std::vector<Dashboard> all(6);
    for (int i = 0; i < 10; ++i) w.change();
    for (auto& d : all) w.open(d, false);
    for (int i = 0; i < 150; ++i) {
      for (unsigned n = w.roll(6); n > 0; --n) w.change();
      w.step(all[w.roll(6)]);
      if (w.roll(20) == 0) w.other_policy(all);
      if (w.roll(3) == 0)
        w.wait(Millis{100 * (1 + w.roll(20))});
      else
        w.turn();
    }
    for (auto& d : all) w.unblock(*d.peer);
    w.settle();
    w.wait(Millis{3'000});
    w.settle();
    for (auto& d : all) w.look(d);
    // What each may see, as its filter takes it: nobody's filter takes P0, but for those without one.
    std::map<std::string, std::string> now;
    for (const auto& u : w.broker.channels["c"].updates)
      if (!u.incident.empty()) now[u.key] = u.incident;
    for (const auto& d : all) {
      if (d.peer->socket.closed || !d.whole) continue;
      ++judged;
      for (const auto& [key, incident] : now) {
        const auto facts = facts_of_incident(key, incident);
        if (!d.may_see(facts, w.by_team) || facts.severity == "P0" || facts.labels.empty() ||
            facts.labels.at(0).second == "d")
          continue;
        CAPTURE(d.rows);
        REQUIRE(d.view.contains(key));
        CHECK(d.view.at(key) == incident);
      }
    }
    CHECK_FALSE(w.outlet.overrun);
  }
  CHECK(judged > 200);
}
