// A session on the move, as the two edges see it: the offered socket that outlives its session, and the one
// that came.
#include <doctest/doctest.h>

#include "edge/drain/drain.h"
#include "tests/unit/edge/session/rig.h"

namespace tocsin::edge::rig {
namespace {

link::EdgeInfo other_edge() { return {"edge-9", "ws://nine/v1/stream", "1", "ready", 0, 100, 100, 0, 100}; }

struct Moving : Rig {
  Moving() : Rig(quick()) {
    broker.known_edges = {other_edge()};
    broker.add("c", "i1");
    wait(Millis{200});
  }
  static Config quick() {
    Config config;
    config.drain_lb_settle = Millis{0};
    config.drain_offer = Millis{1'000};
    config.drain_bye_wait = Millis{500};
    return config;
  }
  /// A subscribed client that was offered the other edge; its offer.
  std::string offer(Peer& peer) {
    say(peer, R"({"type":"connect"})");
    say(peer, kSubscribe);
    settle();
    (void)peer.take();
    REQUIRE(gateway->drain().start({}));
    for (int i = 0; i < 20; ++i) {
      wait(Millis{100});
      if (peer.take(), peer.ping_count > 0) gateway->pong(peer.id);
      if (const auto* report = gateway->drain().report(); report->offered > 0) break;
    }
    settle();
    REQUIRE(gateway->drain().report()->offered == 1);
    return broker.staged.front().records.front().id;
  }
};

TEST_CASE("an offered client's socket delivers after its session was taken elsewhere, until bye") {
  Moving rig;
  Peer& peer = rig.connect();
  const std::string session = rig.offer(peer);
  CHECK(rig.broker.staged.front().target == "edge-9");
  const auto puts = rig.broker.puts;
  rig.gateway->feed().on_session_fenced(session, 2);
  rig.broker.add("c", "i2");
  rig.settle();
  CHECK_FALSE(peer.socket.closed);
  CHECK(of_type(peer.take(), "update").size() >= 1);
  rig.say(peer, R"({"type":"bye","duplicates":4})");
  CHECK(peer.socket.closed);
  CHECK(peer.socket.reason == CloseReason::normal);
  rig.drop(peer);
  CHECK(rig.broker.puts == puts);  // its record is no longer ours to write
  rig.gateway->feed().on_session_moved({session, 2, "edge-0", "edge-9", "resumed"});
  rig.wait(Millis{300});
  const auto& report = *rig.gateway->drain().report();
  CHECK(report.state == MoveState::done);
  CHECK(report.migrated == 1);
  CHECK(report.resumed == 1);
  CHECK(report.duplicates == 4);
  CHECK(rig.gateway->drain().state() == EdgeState::empty);
}

TEST_CASE("one that was not offered anything is closed as replaced at once") {
  Moving rig;
  Peer& peer = rig.connect();
  rig.say(peer, R"({"type":"connect"})");
  rig.settle();
  const std::string session = text_of(of_type(peer.take(), "welcome").at(0), "session");
  rig.gateway->feed().on_session_fenced(session, 9);
  CHECK(peer.socket.closed);
  CHECK(peer.socket.reason == CloseReason::replaced);
}

TEST_CASE("an offer that is ignored ends with closing, 1012 and a ticket") {
  Moving rig;
  Peer& peer = rig.connect();
  (void)rig.offer(peer);
  rig.wait(Millis{1'600});
  REQUIRE(peer.socket.closed);
  CHECK(peer.socket.reason == CloseReason::restart);
  const auto closing = of_type(peer.take(), "closing");
  REQUIRE(closing.size() == 1);
  CHECK_FALSE(text_of(closing[0], "ticket").empty());
}

TEST_CASE("sessions that are announced make the edge want their channels; not while it is cordoned") {
  Rig rig;
  rig.wait(Millis{100});
  link::StageSessions staged;
  staged.from = "edge-9";
  staged.records.resize(2);
  staged.records[0].subs.push_back({"a", "new/channel", "{}", {}, false, 0, "json", false});
  const auto answer = rig.gateway->feed().on_stage(staged);
  CHECK(answer.accepted == 2);
  CHECK(answer.fault.ok());
  CHECK(rig.broker.channels["new/channel"].wanted);
  REQUIRE(rig.gateway->drain().cordon());
  CHECK_FALSE(rig.gateway->feed().on_stage(staged).fault.ok());
  CHECK(rig.gateway->feed().on_stage(staged).accepted == 0);
}

}  // namespace
}  // namespace tocsin::edge::rig
