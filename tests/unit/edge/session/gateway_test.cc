#include "edge/session/gateway.h"

#include <doctest/doctest.h>

#include "tests/unit/edge/session/rig.h"

namespace tocsin::edge {
namespace {

using namespace rig;

std::string since(Offset offset, const std::string& epoch = "0000000000000001",
                  const std::string& more = "") {
  return R"({"type":"subscribe","id":"a","channel":"c","since":{"epoch":")" + epoch + R"(","offset":)" +
         std::to_string(offset) + "}" + more + "}";
}

TEST_CASE(
    "PROTOCOL 2.3, 4.2: a client that subscribes is welcomed, told its position, and gets each update once") {
  Rig r;
  r.broker.add("c", "i1");
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  auto frames = p.take();
  REQUIRE(frames.size() == 2);
  CHECK(type_of(frames[0]) == "welcome");
  CHECK(text_of(frames[0], "session").size() == 32);
  CHECK_FALSE(text_of(frames[0], "ticket").empty());
  CHECK(text_of(frames[1], "outcome") == "live");
  CHECK(number_of(frames[1], "position") == 1);
  r.broker.add("c", "i1");
  r.broker.add("c", "i2");
  r.settle();
  frames = p.take();
  REQUIRE(frames.size() == 2);
  CHECK(number_of(frames[0], "offset") == 2);
  CHECK(number_of(frames[1], "offset") == 3);
  CHECK_FALSE(r.outlet.overrun);
}

TEST_CASE(
    "PROTOCOL 4.1: everything of a turn goes out in one write; clients with the same view get the same bytes") {
  Rig r;
  Peer& p = r.connect();
  Peer& q = r.connect();
  r.say(p, kSubscribe);
  r.say(q, kSubscribe);
  r.settle();
  p.take();
  q.take();
  const auto before = p.socket.writes;
  for (int i = 0; i < 16; ++i) r.broker.add("c", "i");
  r.turn();
  CHECK(p.socket.writes == before + 1);
  CHECK(p.socket.wire == q.socket.wire);
  CHECK(p.take().size() == 16);
  CHECK(r.metrics.encoded.value() == 16);
}

TEST_CASE("PROTOCOL 1.6, 4.5: what a filter removes is declared before the next match, and by the beacon") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","filter":{"severity":["P0"]}})");
  r.settle();
  p.take();
  r.broker.add("c", "i1", "P3");
  r.broker.add("c", "i2", "P0");
  r.broker.add("c", "i1", "P3");
  r.settle();
  auto frames = p.take();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].find(R"("from":1,"to":1)") != std::string::npos);
  CHECK(number_of(frames[1], "offset") == 2);
  r.wait(Millis{5'000});
  frames = p.take();
  REQUIRE(frames.size() >= 2);
  CHECK(frames[0].find(R"("from":3,"to":3)") != std::string::npos);
  CHECK(type_of(frames[1]) == "head");
  CHECK(number_of(frames[1], "offset") == 3);
}

TEST_CASE("PROTOCOL 4.5: heads come at least every 5 s, also when nothing happens") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  p.take();
  for (int i = 0; i < 4; ++i) {
    r.wait(Millis{5'000});
    CHECK(of_type(p.take(), "head").size() >= 1);
  }
}

TEST_CASE("PROTOCOL 3.4, 4.2: since: what is missing comes from history, then live, without a hole") {
  Rig r;
  for (int i = 0; i < 35; ++i) r.broker.add("c", "i" + std::to_string(i % 4));
  Peer& p = r.connect();
  r.say(p, since(7));
  r.settle();
  auto frames = p.take();
  CHECK(text_of(frames[1], "outcome") == "resumed");
  CHECK(number_of(frames[1], "position") == 7);
  REQUIRE(frames.size() == 2 + 28);
  for (Offset o = 8; o <= 35; ++o) CHECK(number_of(frames[o - 6], "offset") == o);
  r.broker.add("c", "i");
  r.settle();
  CHECK(number_of(p.take().at(0), "offset") == 36);
}

TEST_CASE("many who resume cost the broker one read per range") {
  Rig r;
  r.broker.page_updates = 1'000;
  for (int i = 0; i < 500; ++i) r.broker.add("c", "i");
  for (int i = 0; i < 50; ++i) r.say(r.connect(), since(static_cast<Offset>(i)));
  r.settle();
  for (int i = 0; i < 50; ++i)
    CHECK(of_type(r.peers[static_cast<std::size_t>(i)]->take(), "update").size() ==
          static_cast<std::size_t>(500 - i));
  CHECK(r.broker.reads <= 2);
  // Encoded once per offset, not once per client.
  CHECK(r.metrics.encoded.value() <= 2 * 500);
}

TEST_CASE(
    "PROTOCOL 4.2: a position that cannot be honoured is said with its reason, and the stream goes on live") {
  struct Row {
    std::string subscribe;
    std::string reason;
  };
  for (const Row& row : {Row{since(3, "00000000000000ff"), "epoch_changed"}, Row{since(2), "too_old"},
                         Row{since(99), "future"},
                         Row{R"({"type":"subscribe","id":"a","channel":"c","since":"x"})", "malformed"}}) {
    CAPTURE(row.reason);
    Rig r;
    for (int i = 0; i < 10; ++i) r.broker.add("c", "i");
    r.broker.channels["c"].first = 5;
    Peer& p = r.connect();
    r.say(p, row.subscribe);
    r.settle();
    const auto frames = p.take();
    REQUIRE(frames.size() == 2);
    CHECK(text_of(frames[1], "outcome") == "lost");
    CHECK(text_of(frames[1], "reason") == row.reason);
    CHECK(number_of(frames[1], "position") == 10);
    r.broker.add("c", "i");
    r.settle();
    CHECK(number_of(p.take().at(0), "offset") == 11);
  }
}

TEST_CASE("PROTOCOL 3.3: since with snapshot: what cannot be resumed becomes a snapshot") {
  Rig r;
  for (int i = 0; i < 10; ++i) r.broker.add("c", "i" + std::to_string(i));
  r.broker.channels["c"].first = 5;
  Peer& p = r.connect();
  r.say(p, since(2, "0000000000000001", R"(,"snapshot":true)"));
  r.settle();
  const auto frames = p.take();
  CHECK(text_of(frames[1], "outcome") == "snapshot");
  CHECK(text_of(frames[1], "reason") == "too_old");
  CHECK(of_type(frames, "snapshot").size() == 1);
}

TEST_CASE("PROTOCOL 4.2: a position just ahead of this edge's feed is waited for, not called lost") {
  Rig r;
  for (int i = 0; i < 3; ++i) r.broker.add("c", "i");
  Peer& first = r.connect();
  r.say(first, kSubscribe);
  r.settle();
  r.broker.add("c", "i");  // committed, not told to this edge yet
  Peer& p = r.connect();
  r.say(p, since(4));
  r.broker.answer();
  r.gateway->turn();
  CHECK(of_type(p.take(), "subscribed").empty());
  r.settle();
  const auto subscribed = of_type(p.take(), "subscribed");
  REQUIRE(subscribed.size() == 1);
  CHECK(text_of(subscribed[0], "outcome") == "resumed");
}

TEST_CASE("PROTOCOL 3.3, 4.4: snapshot: the matching incidents at a position, then every change after it") {
  Rig r;
  for (int i = 0; i < 23; ++i) r.broker.add("c", "i" + std::to_string(i), i % 2 == 0 ? "P0" : "P3");
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","filter":{"severity":["P0"]},"snapshot":true})");
  r.turn();
  r.broker.add("c", "i0", "P0");  // while the pages are under way
  r.settle();
  const auto frames = p.take();
  REQUIRE(of_type(frames, "snapshot").size() == 1);
  const auto doc = json::parse(of_type(frames, "snapshot")[0]);
  CHECK((*doc)["incidents"].Size() == 12);
  CHECK((*doc)["last"].GetBool());
  const auto at = number_of(of_type(frames, "subscribed")[0], "position");
  for (const auto& f : of_type(frames, "update")) CHECK(number_of(f, "offset") > at);
  CHECK(of_type(frames, "update").size() == 24 - at);
  // A second one is served from the edge.
  const auto asked = r.broker.snapshots;
  Peer& q = r.connect();
  r.say(q, R"({"type":"subscribe","id":"a","channel":"c","snapshot":true})");
  r.settle();
  CHECK(r.broker.snapshots == asked);
  CHECK((*json::parse(of_type(q.take(), "snapshot").at(0)))["incidents"].Size() == 23);
}

TEST_CASE("a state too big to keep streams from the broker page by page") {
  Config c;
  c.state_max_bytes = 0;
  Rig r(c);
  for (int i = 0; i < 23; ++i) r.broker.add("c", "i" + std::to_string(i));
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","snapshot":true})");
  r.turn();
  r.turn();
  r.broker.add("c", "i0");
  r.settle();
  const auto frames = p.take();
  const auto snapshots = of_type(frames, "snapshot");
  CHECK(snapshots.size() == 5);
  std::size_t incidents = 0;
  for (const auto& f : snapshots) incidents += (*json::parse(f))["incidents"].Size();
  CHECK(incidents == 23);
  CHECK(snapshots.back().ends_with(R"("last":true})"));
  CHECK(of_type(frames, "update").size() == 1);
}

TEST_CASE(
    "PROTOCOL 4.3: the channel's epoch changes under a live client: what it lacks goes out, then lost, then live") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  p.take();
  r.broker.add("c", "i");
  r.broker.feed(r.gateway->feed());  // appended, not sent yet
  r.gateway->feed().on_attached({"c", Epoch{2}, 1, 0}, "epoch_changed");
  r.broker.channels["c"] = {Epoch{2}, 1, {}, true};
  r.broker.told["c"] = 0;
  r.broker.add("c", "j");
  r.settle();
  const auto frames = p.take();
  REQUIRE(frames.size() == 3);
  CHECK(number_of(frames[0], "offset") == 1);
  CHECK(text_of(frames[1], "outcome") == "lost");
  CHECK(text_of(frames[1], "reason") == "epoch_changed");
  CHECK(number_of(frames[2], "offset") == 1);
}

TEST_CASE("the broker is away: subscriptions wait, then are refused; publishes answer unavailable") {
  Rig r;
  r.broker.away = true;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.say(p, R"({"type":"publish","ref":"p1","update":{"channel":"c","incident":{"id":"i"}}})");
  r.settle();
  auto errors = of_type(p.take(), "error");
  REQUIRE(errors.size() == 1);
  CHECK(text_of(errors[0], "ref") == "p1");
  CHECK(text_of(errors[0], "code") == "unavailable");
  r.wait(Millis{9'000});
  CHECK(of_type(p.take(), "error").empty());
  r.wait(Millis{2'000});
  errors = of_type(p.take(), "error");
  REQUIRE(errors.size() == 1);
  CHECK(text_of(errors[0], "id") == "a");
  // The id is free again.
  r.broker.away = false;
  r.say(p, kSubscribe);
  r.settle();
  CHECK(of_type(p.take(), "subscribed").size() == 1);
}

TEST_CASE(
    "PROTOCOL 2.6, 4.7: publish: acknowledged with its position, refused with the reason, bounded in flight") {
  Config c;
  c.client_publish_inflight = 2;
  Rig r(c);
  Peer& p = r.connect();
  r.say(p, R"({"type":"publish","ref":"p1","update":{"channel":"c","incident":{"id":"i"}}})");
  r.say(p, R"({"type":"publish","ref":"p2","update":{"channel":"c","kind":"refuse","incident":{"id":"i"}}})");
  r.say(p, R"({"type":"publish","ref":"p3","update":{"channel":"c","incident":{"id":"i"}}})");
  r.settle();
  const auto frames = p.take();
  const auto errors = of_type(frames, "error");
  REQUIRE(errors.size() == 2);
  CHECK(text_of(errors[0], "ref") == "p3");
  CHECK(text_of(errors[0], "code") == "too_many");
  CHECK(text_of(errors[1], "code") == "conflict");
  REQUIRE(of_type(frames, "published").size() == 1);
  CHECK(text_of(of_type(frames, "published")[0], "ref") == "p1");
}

TEST_CASE("publishes of one turn go to the broker in one message, and each is answered under its own ref") {
  Rig r;
  Peer& p = r.connect();
  Peer& q = r.connect();
  Peer& gone = r.connect();
  const auto asked = r.broker.publish_calls;
  for (const auto& [peer, ref] : {std::pair<Peer*, const char*>{&p, "a"}, {&q, "b"}, {&gone, "c"}, {&p, "d"}})
    r.say(*peer, std::string(R"({"type":"publish","ref":")") + ref +
                     R"(","update":{"channel":"c","incident":{"id":"i"}}})");
  r.drop(gone);
  r.settle();
  CHECK(r.broker.publish_calls == asked + 1);
  CHECK(r.broker.published.size() == 4);
  const auto first = of_type(p.take(), "published");
  REQUIRE(first.size() == 2);
  CHECK(text_of(first[0], "ref") == "a");
  CHECK(text_of(first[1], "ref") == "d");
  const auto second = of_type(q.take(), "published");
  REQUIRE(second.size() == 1);
  CHECK(text_of(second[0], "ref") == "b");
}

TEST_CASE("PROTOCOL 3.6: unsubscribe ends the stream; interest ends after the linger") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.settle();
  r.say(p, R"({"type":"unsubscribe","id":"a"})");
  r.say(p, R"({"type":"unsubscribe","id":"a"})");
  r.broker.add("c", "i");
  r.settle();
  const auto frames = p.take();
  CHECK(of_type(frames, "update").empty());
  CHECK(text_of(of_type(frames, "error").at(0), "code") == "not_found");
  CHECK(r.broker.channels["c"].wanted);
  r.wait(Millis{31'000});
  CHECK_FALSE(r.broker.channels["c"].wanted);
}

TEST_CASE(
    "PROTOCOL 4.1: two subscriptions of one client keep their order and their own sub; equal ones are told apart") {
  Rig r;
  Peer& p = r.connect();
  r.say(p, kSubscribe);
  r.say(p, R"({"type":"subscribe","id":"b","channel":"c"})");
  r.say(p, R"({"type":"subscribe","id":"d","channel":"d"})");
  r.settle();
  const auto subscribed = of_type(p.take(), "subscribed");
  REQUIRE(subscribed.size() == 3);
  CHECK(number_of(subscribed[0], "sub") != number_of(subscribed[1], "sub"));
  for (int i = 0; i < 5; ++i) {
    r.broker.add("c", "i");
    r.broker.add("d", "i");
  }
  r.turn();
  std::map<std::uint64_t, Offset> last;
  for (const auto& f : p.take()) CHECK(number_of(f, "offset") == ++last[number_of(f, "sub")]);
  CHECK(last.size() == 3);
  for (const auto& [sub, offset] : last) CHECK(offset == 5);
}

}  // namespace
}  // namespace tocsin::edge
