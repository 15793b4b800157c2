// Sessions: who a client is across sockets, and every way one ends.
#include <doctest/doctest.h>

#include "edge/session/phase.h"
#include "edge/session/ticket.h"
#include "tests/unit/edge/session/rig.h"

namespace tocsin::edge {
namespace {

using namespace rig;

std::string connect_with(const std::string& ticket, const std::string& more = "") {
  return R"({"type":"connect","ticket":")" + ticket + "\"" + more + "}";
}

TEST_CASE("phases: what the table allows, and nothing else") {
  using P = Phase;
  using E = SessionEvent;
  CHECK(next(P::fresh, E::connect) == P::active);
  CHECK(next(P::fresh, E::connect_resuming) == P::claiming);
  CHECK(next(P::fresh, E::command) == P::active);
  CHECK(next(P::claiming, E::claimed) == P::active);
  CHECK(next(P::active, E::command) == P::active);
  for (const P p : {P::fresh, P::claiming, P::active}) CHECK(next(p, E::close) == P::closing);
  for (const P p : {P::claiming, P::active, P::closing}) {
    CHECK_FALSE(next(p, E::connect));
    CHECK_FALSE(next(p, E::connect_resuming));
  }
  for (const P p : {P::fresh, P::active, P::closing}) CHECK_FALSE(next(p, E::claimed));
  CHECK_FALSE(next(P::claiming, E::command));
  for (const E e : {E::connect, E::connect_resuming, E::command, E::claimed, E::close})
    CHECK_FALSE(next(P::closing, e));
}

TEST_CASE(
    "PROTOCOL 5.1, 5.5: tickets: what was signed verifies; forged, spoiled, foreign and expired ones do not") {
  const std::string id(32, 'a');
  const std::vector<std::string> keys{"new", "key"};
  const auto fault = [&](std::string_view text, const TicketHolder& holder = {{}, "bob"},
                         std::int64_t now = 999) {
    const auto verified = verify(text, keys, holder, now);
    const auto* found = std::get_if<TicketFault>(&verified);
    return found != nullptr ? name_of(*found) : "";
  };
  const auto text = sign({id, "bob", 7, 1'000}, "key");
  const auto verified = verify(text, keys, {id, "bob"}, 999);
  const auto* ticket = std::get_if<Ticket>(&verified);
  REQUIRE(ticket != nullptr);
  CHECK(ticket->session == id);
  CHECK(ticket->subject == "bob");
  CHECK(ticket->fence == 7);
  CHECK(fault(text).empty());
  CHECK(fault(sign({id, "bob", 7, 1'000}, "new")).empty());
  CHECK(fault(sign({id, "", 7, 1'000}, "new"), {}).empty());

  CHECK(fault(text, {{}, "bob"}, 1'000) == "expired");
  CHECK(fault(text, {std::string(32, 'b'), "bob"}) == "foreign");
  CHECK(fault(text, {{}, "eve"}) == "foreign");
  CHECK(fault(text, {}) == "foreign");  // nobody shows somebody's
  CHECK(fault(sign({id, "", 7, 1'000}, "key")) == "foreign");
  CHECK(fault(sign({id, "bob", 7, 1'000}, "old")) == "forged");
  CHECK(fault(sign({"no session's id", "bob", 7, 1'000}, "key")) == "forged");
  CHECK(sign({id, "bob", 7, 1'000}, "").empty());
  CHECK(std::get<TicketFault>(verify(text, {}, {}, 1)) == TicketFault::forged);
  CHECK(std::get<TicketFault>(verify(text, std::vector<std::string>{""}, {}, 1)) == TicketFault::forged);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string spoiled = text;
    spoiled[i] = spoiled[i] == 'A' ? 'B' : 'A';
    CHECK(fault(spoiled) == "forged");
  }
  for (const auto* bad : {"", ".", "a.b", "....", "eyJ9.eyJ9"}) CHECK(fault(bad) == "forged");
}

TEST_CASE(
    "PROTOCOL 5.5: a refused ticket has its reason, costs the broker nothing, and a new session goes on") {
  Rig r;
  const std::string id(32, 'b');
  r.broker.put_session({id, "", 3, {{"a", "c", "{}", {Epoch{1}, 0}, false, 0, "json"}}, "edge-1"}, false);
  const auto signed_by = [&](const std::string& key, std::int64_t ms, std::string subject = {}) {
    return sign({id, std::move(subject), 3, r.clock.wall_ms() + ms}, key);
  };
  r.broker.keys = {"newest", "secret"};
  struct Case {
    std::string ticket;
    std::string reason;
  };
  const std::vector<Case> cases{{"spoiled.ticket", "forged"},
                                {signed_by("theirs", 1'000), "forged"},
                                {signed_by("secret", 0), "expired"},
                                {signed_by("secret", 1'000, "eve"), "foreign"}};
  for (const auto& [ticket, reason] : cases) {
    CAPTURE(reason);
    Peer& p = r.connect();
    r.say(p, connect_with(ticket));
    r.say(p, R"({"type":"ping","ref":"x"})");
    r.settle();
    const auto frames = p.take();
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].find(R"("resumed":false)") != std::string::npos);
    CHECK(text_of(frames[0], "session") != id);
    CHECK(text_of(frames[1], "code") == "unauthorized");
    CHECK(text_of(frames[1], "reason") == reason);
    CHECK(type_of(frames[2]) == "pong");
  }
  CHECK(r.broker.claims == 0);
  CHECK(r.metrics.tickets_refused[TicketFault::forged].value() == 2);
  CHECK(r.metrics.tickets_refused[TicketFault::expired].value() == 1);
  CHECK(r.metrics.tickets_refused[TicketFault::foreign].value() == 1);

  const auto good = signed_by("secret", 1'000);  // by a key that signs no more
  for (const bool first : {true, false}) {
    Peer& p = r.connect();
    r.say(p, connect_with(good));
    r.settle();
    const auto frames = p.take();
    CHECK((frames.at(0).find(R"("resumed":true)") != std::string::npos) == first);
    if (!first) CHECK(text_of(frames.at(1), "reason") == "reused");
  }
  CHECK(r.metrics.tickets_refused[TicketFault::reused].value() == 1);
  r.broker.put_session({id, "bob", 9, {}, "edge-1"}, false);  // the record knows better than the ticket
  Peer& p = r.connect();
  r.say(p, connect_with(sign({id, "", 9, r.clock.wall_ms() + 1'000}, "secret")));
  r.settle();
  CHECK(text_of(p.take().at(1), "reason") == "foreign");
}

TEST_CASE("PROTOCOL 5.1: welcomes spread the clients over the time after a cut") {
  Config config;
  config.reconnects_per_s = 100;
  Rig r(config);
  for (int place = 0; place < 5; ++place) {
    Peer& p = r.connect();
    r.say(p, R"({"type":"connect"})");
    r.settle();
    const auto doc = json::parse(p.take().at(0));
    REQUIRE(doc);
    const auto delay = json::uint_member(*doc, "retry_after_ms");
    REQUIRE((delay && *delay));
    CHECK(**delay == 10U * static_cast<unsigned>(place));
  }
}

TEST_CASE(
    "PROTOCOL 2.3: welcome comes on connect, or before the first reply when something else is said first") {
  Rig r;
  Peer& p = r.connect();
  r.settle();
  CHECK(p.take().empty());
  r.say(p, R"({"type":"connect"})");
  r.say(p, R"({"type":"ping","ref":"x"})");
  r.say(p, R"({"type":"connect"})");
  r.settle();
  const auto frames = p.take();
  REQUIRE(frames.size() == 3);
  CHECK(type_of(frames[0]) == "welcome");
  CHECK(text_of(frames[1], "ref") == "x");
  CHECK(type_of(frames[2]) == "error");
  Peer& q = r.connect();
  r.say(q, R"({"type":"ping"})");
  r.settle();
  const auto others = q.take();
  CHECK(type_of(others.at(0)) == "welcome");
  CHECK(type_of(others.at(1)) == "pong");
}

TEST_CASE(
    "PROTOCOL 5.2, 5.4: a cut client comes back with its ticket: every subscription resumed without being asked, from what it has") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.say(p, R"({"type":"subscribe","id":"b","channel":"d","filter":{"severity":["P0"]}})");
  r.settle();
  const auto ticket = text_of(p.take().at(0), "ticket");
  r.broker.add("c", "i");
  r.broker.add("d", "i", "P0");
  r.settle();
  p.take();
  r.drop(p);
  r.broker.add("c", "i");
  Peer& q = r.connect();
  r.say(q, connect_with(ticket, R"(,"since":{"a":{"epoch":"0000000000000001","offset":1}})"));
  r.say(q, R"({"type":"ping","ref":"held"})");
  r.settle();
  const auto frames = q.take();
  CHECK(frames.at(0).find(R"("resumed":true)") != std::string::npos);
  const auto subscribed = of_type(frames, "subscribed");
  REQUIRE(subscribed.size() == 2);
  CHECK(text_of(subscribed[0], "outcome") == "resumed");
  CHECK(number_of(subscribed[0], "position") == 1);  // the client's word
  CHECK(number_of(subscribed[1], "position") == 0);  // the record: nothing was confirmed
  const auto updates = of_type(frames, "update");
  REQUIRE(updates.size() == 2);
  CHECK(of_type(frames, "pong").size() == 1);
}

TEST_CASE(
    "PROTOCOL 4.8, 5.2: a subscription whose kept filter cannot be read is refused by its id, never widened; the others resume") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","filter":{"severity":["P0"]}})");
  r.say(p, R"({"type":"subscribe","id":"b","channel":"c","filter":{"severity":["P1"]}})");
  r.settle();
  const auto welcome = p.take().at(0);
  r.drop(p);
  r.broker.sessions.at(text_of(welcome, "session")).subs.at(0).filter =
      R"({"severity":"of a newer version"})";
  r.broker.add("c", "i", "P0");
  r.broker.add("c", "j", "P1");
  Peer& q = r.connect();
  r.say(q, connect_with(text_of(welcome, "ticket")));
  r.settle();
  const auto frames = q.take();
  const auto errors = of_type(frames, "error");
  REQUIRE(errors.size() == 1);
  CHECK(text_of(errors[0], "id") == "a");
  CHECK(text_of(errors[0], "code") == "position_lost");
  CHECK(text_of(errors[0], "retry") == "resync");
  CHECK(of_type(frames, "subscribed").size() == 1);
  const auto updates = of_type(frames, "update");
  REQUIRE(updates.size() == 1);
  CHECK(text_of(updates[0], "key") == "j");
}

TEST_CASE("PROTOCOL 5.4: a resume record is never ahead of what a pong confirmed") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  const auto session = text_of(p.take().at(0), "session");
  CHECK(r.broker.sessions.at(session).subs.at(0).position.offset == 0);
  r.broker.add("c", "i");
  r.wait(Millis{26'000});  // pinged with update 1 sent
  r.broker.add("c", "i");
  r.settle();
  CHECK(p.take().size() > 1);
  CHECK(p.ping_count == 1);
  CHECK(r.broker.sessions.at(session).subs.at(0).position.offset == 0);
  r.gateway->pong(p.id);
  r.wait(Millis{1'100});
  CHECK(r.broker.sessions.at(session).subs.at(0).position.offset == 1);
}

TEST_CASE("PROTOCOL 5.3: a second socket of a session fences the first") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  const auto welcome = p.take().at(0);
  Peer& q = r.connect();
  r.say(q, connect_with(text_of(welcome, "ticket")));
  r.settle();
  CHECK(p.socket.closed);
  CHECK(p.socket.reason == CloseReason::replaced);
  CHECK(number_of(of_type(p.take(), "closing").at(0), "code") == 4409);
  CHECK(text_of(q.take().at(0), "session") == text_of(welcome, "session"));
  CHECK_FALSE(q.socket.closed);
  // Its end leaves the newer one's record alone.
  r.gateway->closed(p.id);
  CHECK(r.broker.connected.at(text_of(welcome, "session")));
  // And by another edge:
  r.gateway->feed().on_session_fenced(text_of(welcome, "session"), 99);
  r.turn();
  CHECK(q.socket.reason == CloseReason::replaced);
}

TEST_CASE("a ticket is honoured once: whoever comes with it again begins a new session") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  const auto welcome = p.take().at(0);
  const auto used = text_of(welcome, "ticket");
  r.drop(p);
  Peer& q = r.connect();
  r.say(q, connect_with(used));
  r.settle();
  CHECK(text_of(q.take().at(0), "session") == text_of(welcome, "session"));
  Peer& thief = r.connect();
  r.say(thief, connect_with(used));
  r.settle();
  const auto frames = thief.take();
  CHECK(text_of(frames.at(0), "session") != text_of(welcome, "session"));
  CHECK(text_of(frames.at(1), "code") == "unauthorized");
  CHECK(of_type(frames, "subscribed").empty());
  CHECK_FALSE(q.socket.closed);
}

TEST_CASE("a session is not taken over by its name alone") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  const auto id = text_of(p.take().at(0), "session");
  Peer& q = r.connect();
  r.say(q, R"({"type":"connect","session":")" + id + R"("})");
  r.settle();
  const auto frames = q.take();
  CHECK(text_of(frames.at(0), "session") != id);
  CHECK(text_of(frames.at(1), "code") == "unauthorized");
  CHECK_FALSE(p.socket.closed);
}

TEST_CASE("conflate:false comes back with the session") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","conflate":false})");
  r.settle();
  const auto welcome = p.take().at(0);
  CHECK(r.broker.sessions.at(text_of(welcome, "session")).subs.at(0).never_conflate);
  r.drop(p);
  Peer& q = r.connect();
  r.say(q, connect_with(text_of(welcome, "ticket")));
  r.settle();
  CHECK(r.broker.sessions.at(text_of(welcome, "session")).subs.at(0).never_conflate);
}

TEST_CASE(
    "PROTOCOL 5.2, 5.5: tickets that do not help: spoiled ones say so, forgotten sessions start anew; an absent broker closes as try later") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, connect_with("spoiled.ticket"));
  r.settle();
  auto frames = p.take();
  CHECK(frames.at(0).find(R"("resumed":false)") != std::string::npos);
  CHECK(text_of(frames.at(1), "code") == "unauthorized");
  Peer& q = r.connect();
  const std::string id(32, 'b');
  r.say(q, connect_with(sign({id, "", 1, r.clock.wall_ms() + 1'000}, r.broker.keys.front())));
  r.settle();
  frames = q.take();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].find(R"("resumed":false)") != std::string::npos);
  CHECK(text_of(frames[0], "session") == id);
  r.broker.away = true;
  Peer& s = r.connect();
  r.say(s, connect_with(sign({id, "", 1, r.clock.wall_ms() + 1'000}, r.broker.keys.front())));
  r.settle();
  CHECK(s.socket.reason == CloseReason::try_later);
  CHECK(number_of(of_type(s.take(), "closing").at(0), "code") == 1013);
}

TEST_CASE("PROTOCOL 5.6: a flood while the session is being claimed is cut off") {
  Rig r;
  Peer& p = r.connect();
  r.say(p,
        connect_with(sign({std::string(32, 'c'), "", 1, r.clock.wall_ms() + 1'000}, r.broker.keys.front())));
  for (int i = 0; i < 100 && !p.socket.closed; ++i) r.say(p, R"({"type":"ping"})");
  CHECK(p.socket.reason == CloseReason::too_many);
}

TEST_CASE(
    "PROTOCOL 2.3, 2.4: who says nothing is closed; who is silent is pinged, then closed; who answers stays") {
  Rig r;
  Peer& mute = r.connect();
  r.wait(Millis{9'000});
  CHECK_FALSE(mute.socket.closed);
  r.wait(Millis{2'100});
  CHECK(mute.socket.reason == CloseReason::connect_timeout);
  Peer& silent = r.connect();
  Peer& alive = r.connect();
  r.say(silent, kSubscribe);
  r.say(alive, kSubscribe);
  for (int i = 0; i < 60; ++i) {
    r.wait(Millis{1'000});
    const auto pings = alive.ping_count;
    alive.take();
    if (alive.ping_count > pings) r.gateway->pong(alive.id);
  }
  CHECK(silent.socket.reason == CloseReason::keepalive_timeout);
  CHECK_FALSE(alive.socket.closed);
  CHECK(alive.ping_count >= 2);
}

TEST_CASE(
    "PROTOCOL 2.5: garbage: each frame is answered, ten in a row end it; a good one starts the count anew") {
  Rig r;
  Peer& p = r.connect();
  const std::vector<std::string> garbage{"",
                                         "x",
                                         "[]",
                                         "{}",
                                         R"({"type":7})",
                                         R"({"type":"dance"})",
                                         R"({"type":"subscribe"})",
                                         "\xff\xfe",
                                         std::string(5'000, '['),
                                         R"({"type":"subscribe","id":"a","channel":"c","filter":[]})"};
  for (std::size_t i = 0; i < 9; ++i) r.say(p, garbage[i]);
  r.say(p, R"({"type":"ping"})");
  r.settle();
  CHECK(of_type(p.take(), "error").size() == 9);
  for (std::size_t i = 0; i < 9; ++i) r.say(p, garbage[i]);
  CHECK_FALSE(p.socket.closed);
  r.say(p, garbage[9]);
  CHECK(p.socket.reason == CloseReason::bad_request);
  CHECK(type_of(p.take().back()) == "closing");
  r.say(p, garbage[0]);  // what still arrives is ignored
  r.settle();
  CHECK_FALSE(r.outlet.overrun);
}

TEST_CASE("PROTOCOL 2.6: a million subscriptions meet the limit") {
  Config c;
  c.subscriptions_max = 50;
  Rig r(c);
  Peer& p = r.connect();
  for (int i = 0; i < 2'000; ++i)
    r.say(p, R"({"type":"subscribe","id":")" + std::to_string(i) + R"(","channel":"c)" + std::to_string(i) +
                 "\"}");
  r.settle();
  const auto frames = p.take();
  CHECK(of_type(frames, "subscribed").size() == 50);
  CHECK(text_of(of_type(frames, "error").at(0), "code") == "too_many");
  CHECK(r.metrics.channels.value() == 50);
}

TEST_CASE("PROTOCOL 3.7: bye: closed as normal, nothing left at the broker") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  CHECK(r.broker.sessions.size() == 1);
  r.say(p, R"({"type":"bye"})");
  CHECK(p.socket.reason == CloseReason::normal);
  r.gateway->closed(p.id);
  CHECK(r.broker.sessions.empty());
  CHECK(r.metrics.clients.value() == 0);
  CHECK(r.metrics.subscriptions.value() == 0);
}

TEST_CASE("PROTOCOL 4.9: the edge stops: every client is told why and gets its ticket") {
  Rig r;
  Peer& p = r.connect();
  Peer& q = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  p.take();
  r.gateway->close_all(CloseReason::going_away);
  for (Peer* peer : {&p, &q}) {
    const auto frames = peer->take();
    CHECK(number_of(of_type(frames, "closing").at(0), "code") == 1001);
    CHECK_FALSE(text_of(frames.back(), "ticket").empty());
    r.gateway->closed(peer->id);
  }
  CHECK(r.gateway->clients() == 0);
  CHECK_FALSE(r.broker.connected.begin()->second);
}

TEST_CASE("answers for clients that are gone are dropped, also after the gateway is gone") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","since":{"epoch":"0000000000000001","offset":0}})");
  r.say(p, R"({"type":"publish","ref":"x","update":{"channel":"c","incident":{"id":"i"}}})");
  r.broker.add("c", "i");
  r.broker.feed(r.gateway->feed());
  r.drop(p);
  Peer& q = r.connect();  // takes the same slot
  r.settle();
  CHECK(q.take().empty());
  r.say(q, R"({"type":"publish","ref":"x","update":{"channel":"c","incident":{"id":"i"}}})");
  r.gateway.reset();
  r.broker.answer();
}

TEST_CASE("PROTOCOL 6.5: SSE: retry, subscribed, updates with ids to resume from, comments to keep alive") {
  Rig r;
  r.broker.add("c", "i");
  Opening opening;
  opening.encoding.door = Door::sse;
  opening.query = "channel=c&severity=P3";
  Peer& p = r.connect(opening);
  r.settle();
  CHECK(p.socket.wire.starts_with("retry: 1000\n\nid: 0000000000000001:1\ndata: {\"type\":\"subscribed\""));
  p.socket.wire.clear();
  r.broker.add("c", "i", "P0");
  r.broker.add("c", "i");
  r.settle();
  CHECK(p.socket.wire.find("id: 0000000000000001:2\ndata: {\"type\":\"skip\"") == 0);
  CHECK(p.socket.wire.find("id: 0000000000000001:3\ndata: {\"type\":\"update\"") != std::string::npos);
  r.wait(Millis{26'000});
  CHECK(p.socket.wire.find(": keep-alive\n\n") != std::string::npos);
  r.drop(p);
  opening.last_event_id = "0000000000000001:2";
  Peer& q = r.connect(opening);
  r.settle();
  CHECK(q.socket.wire.find("\"outcome\":\"resumed\"") != std::string::npos);
  CHECK(q.socket.wire.find("\"offset\":3,") != std::string::npos);
  opening.query = "channel=a%20b";
  Peer bad;
  CHECK(r.gateway->open(&bad.socket, opening).error().code == Errc::invalid_argument);
}

}  // namespace
}  // namespace tocsin::edge
