// Streams while the broker dies, comes back or answers late: what was begun goes on, and nothing is taken for
// something it is not.
#include <doctest/doctest.h>

#include "tests/unit/edge/session/rig.h"

namespace tocsin::edge {
namespace {

using namespace rig;

const std::string kSnapshot = R"({"type":"subscribe","id":"a","channel":"c","snapshot":true})";

std::string with_ticket(const std::string& ticket) {
  return R"({"type":"connect","ticket":")" + ticket + R"("})";
}

/// Every snapshot streams from the broker.
Config paged() {
  Config c;
  c.state_max_bytes = 0;
  return c;
}

/// The channel begins another history, as a memory channel does when the broker starts again.
void change_epoch(Rig& r, Epoch epoch) {
  auto& channel = r.broker.channels["c"];
  channel = {epoch, 1, {}, true};
  r.broker.told["c"] = 0;
  r.gateway->feed().on_attached(channel.head("c"), "epoch_changed");
}

TEST_CASE("PROTOCOL 4.4: a snapshot that begins again takes no page of the one before") {
  Rig r(paged());
  for (int i = 0; i < 12; ++i) r.broker.add("c", "old" + std::to_string(i));
  Peer& p = r.connect();
  r.say(p, kSnapshot);
  r.broker.feed(r.gateway->feed());
  r.broker.answer(1);  // the first page; the second is asked for
  r.gateway->turn();
  REQUIRE(of_type(p.take(), "snapshot").size() == 1);
  const auto late = std::exchange(r.broker.due, {});
  change_epoch(r, Epoch{2});
  for (int i = 0; i < 3; ++i) r.broker.add("c", "new" + std::to_string(i));
  r.gateway->turn();
  for (const auto& answer : late) answer();  // late, and asked of the old history
  r.settle();
  const auto frames = p.take();
  REQUIRE(frames.size() >= 2);
  const auto subscribed = of_type(frames, "subscribed");
  REQUIRE(subscribed.size() == 1);
  CHECK(text_of(subscribed[0], "outcome") == "snapshot");
  CHECK(text_of(subscribed[0], "reason") == "epoch_changed");
  for (const auto& f : of_type(frames, "snapshot")) CHECK(f.find("old") == std::string::npos);
  CHECK(of_type(frames, "snapshot").back().find(R"("last":true)") != std::string::npos);
}

TEST_CASE("a stream that has begun is not given up while the broker is away") {
  Rig r(paged());
  for (int i = 0; i < 12; ++i) r.broker.add("c", "i" + std::to_string(i));
  Peer& p = r.connect();
  r.say(p, kSnapshot);
  r.broker.feed(r.gateway->feed());
  r.broker.answer(1);
  r.gateway->turn();
  REQUIRE(of_type(p.take(), "subscribed").size() == 1);
  r.broker.away = true;
  r.wait(4 * r.config.broker_wait);
  CHECK(of_type(p.take(), "error").empty());
  CHECK_FALSE(p.socket.closed);
  r.broker.away = false;
  r.wait(Millis{1'000});
  r.settle();
  r.broker.add("c", "i1");
  r.settle();
  const auto frames = p.take();
  CHECK(of_type(frames, "snapshot").back().find(R"("last":true)") != std::string::npos);
  CHECK(number_of(of_type(frames, "update").back(), "offset") == 13);
}

TEST_CASE(
    "PROTOCOL 4.2, 4.3: history of another epoch is not called too old: the feed says what became of it") {
  Rig r;
  for (int i = 0; i < 5; ++i) r.broker.add("c", "i");
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c","since":{"epoch":"0000000000000001","offset":2}})");
  r.broker.feed(r.gateway->feed());
  // The broker starts again before it is asked for the history; the edge has not heard of it.
  r.broker.channels["c"].epoch = Epoch{2};
  r.wait(Millis{1'000});
  CHECK(of_type(p.take(), "subscribed").empty());
  change_epoch(r, Epoch{2});
  r.settle();
  const auto subscribed = of_type(p.take(), "subscribed");
  REQUIRE(subscribed.size() == 1);
  CHECK(text_of(subscribed[0], "outcome") == "lost");
  CHECK(text_of(subscribed[0], "reason") == "epoch_changed");
}

TEST_CASE(
    "PROTOCOL 4.2, 5.2: a ticket never brings a stream back as live: what surely arrived goes on, anything else comes as a snapshot") {
  Rig r;
  r.broker.add("c", "i");
  Peer& p = r.connect();
  r.say(p, kSnapshot);
  r.settle();
  const auto ticket = text_of(p.take().at(0), "ticket");
  r.drop(p);  // no pong: nobody knows whether the snapshot arrived
  Peer& q = r.connect();
  r.say(q, with_ticket(ticket));
  r.settle();
  const auto frames = q.take();
  CHECK(text_of(of_type(frames, "subscribed").at(0), "outcome") == "snapshot");
  CHECK(of_type(frames, "snapshot").size() == 1);
}

TEST_CASE("PROTOCOL 4.3, 5.4: a loss that may not have arrived is told again to whoever comes back") {
  Rig r;
  r.broker.add("c", "i");
  Peer& p = r.connect();
  r.say(p, R"({"type":"subscribe","id":"a","channel":"c"})");
  r.settle();
  const auto ticket = text_of(p.take().at(0), "ticket");
  change_epoch(r, Epoch{2});
  r.settle();
  r.drop(p);  // the frame that said so may be lost with the socket
  Peer& q = r.connect();
  r.say(q, with_ticket(ticket));
  r.settle();
  const auto subscribed = of_type(q.take(), "subscribed");
  REQUIRE(subscribed.size() == 1);
  CHECK(text_of(subscribed[0], "outcome") == "lost");
  CHECK(text_of(subscribed[0], "reason") == "epoch_changed");
}

}  // namespace
}  // namespace tocsin::edge
