// What an edge may rely on: hello, interest, fan-out, lag, heartbeats, queries, snapshots, sessions
// (LINK.md).
#include <doctest/doctest.h>

#include "tests/unit/broker/core_fixture.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

struct Linked : Broker {
  explicit Linked(Config c = {}) : Broker(std::move(c)) {
    for (const char* peer : {"pub", "reader", "edge-0", "edge-1"}) edge(peer);
  }
  Position fill(int n, const std::string& body = "{}") {
    Position last;
    for (int i = 0; i < n; ++i) last = publish(change("", "k" + std::to_string(100 + i), body)).position;
    return last;
  }
  link::SnapshotPage snapshot(const std::string& cursor, const std::string& peer = "reader") {
    say(peer, link::SnapshotNext{++last_ref, "incidents", cursor, false});
    return must_take<link::SnapshotPage>(peer);
  }
  link::SessionState claim(const std::string& edge, const std::string& id) {
    say(edge, link::SessionClaim{++last_ref, id, edge, 0, "alice"});
    return must_take<link::SessionState>(edge);
  }
};

link::SessionRecord record(std::string id, std::uint64_t fence) {
  link::SessionRecord r;
  r.id = std::move(id);
  r.subject = "alice";
  r.fence = fence;
  r.subs.push_back({"a", "incidents", "{}", {Epoch{5}, 17}, false, 0, "json"});
  return r;
}

}  // namespace

TEST_CASE("hello is answered by welcome with a ticket key that outlives the process") {
  Broker b;
  b.say("e", link::Hello{link::kVersion, "edge", "e", 1, "", ""});
  const auto first = b.must_take<link::Welcome>("e");
  CHECK(first.cluster == "cluster");
  CHECK(first.ticket_key.size() == 32);
  CHECK(first.publish_window == b.config.publish_window);
  b.start();
  b.say("e", link::Hello{link::kVersion, "edge", "e", 1, "", ""});
  const auto second = b.must_take<link::Welcome>("e");
  CHECK(second.ticket_key == first.ticket_key);
  CHECK(second.instance != first.instance);
}

TEST_CASE("strangers, other versions and garbage are refused or dropped, and disturb nobody") {
  Linked b;
  b.say("stranger", link::Interest{"incidents", true});
  CHECK(b.must_take<link::Refused>("stranger").fault.code == "unavailable");
  b.say("old", link::Hello{99, "edge", "old", 1, "", ""});
  CHECK(b.take<link::Refused>("old"));
  for (const char* bytes : {"", "\xff\xff\xff", "garbage", "\x08"}) b.core->on_bytes("edge-0", bytes);
  b.core->on_bytes("", "x");
  b.say("edge-0", link::Welcome{});  // only a broker says this
  b.say("edge-0", link::SnapshotNext{1, "incidents", "99:99", false});
  b.say("edge-0", link::SnapshotNext{1, "incidents", "nonsense", true});
  b.say("edge-0", link::Read{1, std::string(5'000, 'x'), Epoch{}, ~0ULL, ~0U, ~0U});
  b.say("edge-0", link::SessionPut{record(std::string(1'000, 'x'), 1), true});
  b.say("edge-0", link::ListIncidents{1, "incidents", "{bad", "", 0});
  CHECK(b.metrics->bad_messages.value() >= 4);
  CHECK(b.fill(1).offset == 1);
}

TEST_CASE("an edge is who its key says, and nobody takes the place of another key's holder (L-28)") {
  Broker b;
  const auto say = [&b](const char* peer, const char* holder, const link::Message& message) {
    b.core->on_bytes(peer, link::encode(message), holder);
    b.settle();
  };
  const auto hello = [](const char* role, const char* id) {
    return link::Hello{link::kVersion, role, id, 1, "", ""};
  };
  say("edge-0", "edge-0", hello("edge", "edge-0"));
  CHECK_FALSE(b.must_take<link::Welcome>("edge-0").ticket_key.empty());
  SUBCASE("another's id") {
    say("edge-1", "edge-1", hello("edge", "edge-0"));
    CHECK(b.must_take<link::Refused>("edge-1").fault.code == "forbidden");
  }
  SUBCASE("an edge with a publisher's key") {
    say("edge-7", "client", hello("edge", "edge-7"));
    CHECK(b.must_take<link::Refused>("edge-7").fault.code == "forbidden");
    say("ctl-1", "client", hello("client", "ctl-1"));
    CHECK(b.must_take<link::Welcome>("ctl-1").ticket_key.empty());
  }
  SUBCASE("another's place") {
    say("edge-0", "client", hello("client", "edge-0"));
    CHECK(b.must_take<link::Refused>("edge-0").fault.code == "forbidden");
    say("edge-0", "client", link::Interest{"incidents", true});
    CHECK(b.must_take<link::Refused>("edge-0").fault.code == "unavailable");
    CHECK_FALSE(b.take<link::InterestAck>("edge-0"));
    say("edge-0", "edge-0", link::Interest{"incidents", true});
    CHECK(b.take<link::InterestAck>("edge-0"));
  }
  SUBCASE("its own next life, under another name") {
    say("edge-0", "edge-0", link::Interest{"incidents", true});
    say("edge-0/2", "edge-0", hello("edge", "edge-0"));
    CHECK(b.take<link::Welcome>("edge-0/2"));
    CHECK(b.metrics->peers.value() == 1);
    CHECK(b.metrics->interests.value() == 0);
  }
}

TEST_CASE("interest is acknowledged with the head, and the updates after it follow") {
  Linked b;
  b.want("edge-0", "incidents");
  const auto fresh = b.must_take<link::InterestAck>("edge-0").head;
  CHECK(fresh.last == 0);
  CHECK(fresh.first == 1);
  CHECK(fresh.epoch != Epoch{});
  b.fill(2);
  b.want("edge-1", "incidents");
  CHECK(b.must_take<link::InterestAck>("edge-1").head.last == 2);
  b.wire.shared.clear();
  b.fill(1);
  const auto one = b.must_take<link::Updates>("edge-1");
  CHECK(one.epoch == fresh.epoch);
  REQUIRE(one.records.size() == 1);
  CHECK(one.records.front().offset == 3);
  // Both edges got the same bytes, encoded once.
  REQUIRE(b.wire.shared.size() == 2);
  CHECK(b.wire.shared[0] == b.wire.shared[1]);

  b.say("edge-1", link::Interest{"incidents", false});
  b.fill(1);
  CHECK_FALSE(b.take<link::Updates>("edge-1"));
}

TEST_CASE("an edge that says hello again has no interest until it repeats it") {
  Linked b;
  b.want("edge-0", "incidents");
  b.edge("edge-0", 2);
  b.fill(1);
  CHECK_FALSE(b.take<link::Updates>("edge-0"));
  b.want("edge-0", "incidents");
  b.fill(1);
  CHECK(b.take<link::Updates>("edge-0"));
}

TEST_CASE("an edge over the lag bound gets nothing live until it has received down to half") {
  Config config;
  config.lag_max_bytes = 65'536;
  Linked b(config);
  b.want("edge-0", "incidents");
  b.want("edge-1", "incidents");
  const std::string body = R"({"description":")" + std::string(10'000, 'x') + "\"}";
  const auto put = [&] { b.send_draft(change("", "k", body)); };  // its answer may wait for edge-0
  std::uint64_t got = 0;
  const auto drain = [&] {
    std::size_t n = 0;
    while (auto m = b.take<link::Updates>("edge-0")) {
      got += link::encode(*m).size();
      ++n;
    }
    return n;
  };
  const auto ack = [&](const std::string& edge, std::uint64_t bytes) {
    b.say(edge, link::EdgeHeartbeat{1, bytes, 0, ""});
  };
  for (int i = 0; i < 20; ++i) {
    put();
    std::uint64_t other = 0;
    while (auto m = b.take<link::Updates>("edge-1")) other += link::encode(*m).size();
    ack("edge-1", static_cast<std::uint64_t>(1) << 40U);  // it keeps up, and counts wrongly at that
    CHECK(other > 0);
  }
  const std::size_t sent = drain();
  CHECK(sent < 10);
  CHECK(sent >= 6);
  put();
  CHECK(drain() == 0);
  ack("edge-0", got / 4);
  put();
  CHECK(drain() == 0);
  ack("edge-0", got);
  put();
  CHECK(drain() == 1);
}

TEST_CASE(
    "answers wait while an edge is half its bound behind, until it moves on or has stood still for half a second") {
  Config config;
  config.lag_max_bytes = 65'536;
  Linked b(config);
  b.want("edge-0", "incidents");
  const std::string body = R"({"description":")" + std::string(10'000, 'x') + "\"}";
  int answered = 0;
  const auto answers = [&] {
    while (b.take<link::PublishResult>("pub")) ++answered;
    return answered;
  };
  for (int i = 0; i < 5; ++i) b.send_draft(change("", "k" + std::to_string(i), body));
  CHECK(answers() == 3);  // the fourth made it more than half
  CHECK_FALSE(b.core->idle());
  b.say("edge-0", link::EdgeHeartbeat{1, b.wire.sizes["edge-0"] / 2, 0, ""});
  CHECK(answers() == 5);
  for (int i = 5; i < 8; ++i) b.send_draft(change("", "k" + std::to_string(i), body));
  const int before = answers();
  CHECK(before < 8);
  b.pass(Millis{400});
  CHECK(answers() == before);
  b.pass(Millis{300});
  CHECK(answers() == 8);
  CHECK(b.core->idle());
  b.publish(change("", "k8", body));  // must_take: nobody waits for it any more
}

TEST_CASE("heartbeats carry the heads of interest, a canary that stops with the disk, and why") {
  Linked b;
  b.want("edge-0", "incidents");
  b.fill(3);
  b.wire.inbox.clear();
  b.pass(b.config.heartbeat);
  const auto beat = b.must_take<link::BrokerHeartbeat>("edge-0");
  REQUIRE(beat.heads.size() == 1);
  CHECK(beat.heads[0].last == 3);
  CHECK(beat.not_ready.empty());
  CHECK(b.must_take<link::BrokerHeartbeat>("edge-1").heads.empty());
  b.pass(b.config.heartbeat);
  CHECK(b.must_take<link::BrokerHeartbeat>("edge-0").canary == beat.canary + 1);

  b.store->failing = Error{Errc::disk_full, ""};
  b.send_draft(change("e", "k", "{}"));
  b.store->release();
  b.settle();
  b.pass(b.config.heartbeat);
  const auto sick = b.must_take<link::BrokerHeartbeat>("edge-0");
  CHECK(sick.not_ready == "disk_full");
  CHECK(sick.canary <= beat.canary + 2);
}

TEST_CASE("a silent edge is gone, and must say hello again") {
  Linked b;
  b.want("edge-0", "incidents");
  b.wire.inbox.clear();
  for (int i = 0; i < 7; ++i) {
    b.pass(Millis{1'000});
    for (const char* alive : {"pub", "edge-1"}) b.say(alive, link::EdgeHeartbeat{});
  }
  b.wire.inbox.clear();
  b.fill(1);
  CHECK_FALSE(b.take<link::Updates>("edge-0"));
  b.say("edge-0", link::EdgeHeartbeat{});
  CHECK(b.take<link::Refused>("edge-0"));
}

TEST_CASE("history is read in bounded pages that join without a gap") {
  Config config;
  config.read_max_count = 7;
  Linked b(config);
  const Position last = b.fill(20);
  Offset after = 0;
  std::size_t pages = 0;
  while (after < last.offset) {
    const auto page = b.read("incidents", last.epoch, after);
    REQUIRE(page.fault.ok());
    REQUIRE_FALSE(page.records.empty());
    CHECK(page.records.size() <= 7);
    CHECK(page.records.front().offset == after + 1);
    CHECK(page.head.last == 20);
    after = page.records.back().offset;
    ++pages;
  }
  CHECK(pages == 3);
  CHECK(b.read("incidents", last.epoch, last.offset).records.empty());
}

TEST_CASE("a snapshot is one moment in all its pages, and a page may be asked for again") {
  Config config;
  config.read_max_count = 4;
  Linked b(config);
  b.fill(10);
  auto page = b.snapshot("");
  const Position at = page.position;
  CHECK(at.offset == 10);
  std::vector<std::string> keys;
  for (int guard = 0; guard < 10; ++guard) {
    for (const auto& i : page.incidents) keys.push_back(i.key);
    if (page.last) break;
    b.fill(1, R"({"title":"later"})");
    const auto next = b.snapshot(page.cursor);
    const auto again = next.last ? next : b.snapshot(page.cursor);
    CHECK(again.incidents.size() == next.incidents.size());
    page = next;
    CHECK(page.position == at);
    for (const auto& i : page.incidents) CHECK(i.json.find("later") == std::string::npos);
  }
  CHECK(page.last);
  REQUIRE(keys.size() == 10);
  CHECK(std::is_sorted(keys.begin(), keys.end()));
  CHECK(b.metrics->snapshots.value() == 0);
}

TEST_CASE("a snapshot of an earlier life of the broker is not continued with another one's pages") {
  Config config;
  config.read_max_count = 4;
  Linked b(config);
  b.fill(10);
  const auto before = b.snapshot("");
  b.start();
  b.edge("reader");
  const auto after = b.snapshot("");
  CHECK(after.cursor != before.cursor);
  CHECK(b.snapshot(before.cursor).fault.code == "not_found");
  CHECK(b.snapshot(after.cursor).fault.ok());
}

TEST_CASE("open snapshots are few, end when idle, and go with their peer") {
  Config config;
  config.read_max_count = 1;
  config.snapshots_max = 2;
  config.snapshot_timeout = Millis{2'000};
  Linked b(config);
  b.fill(5);
  (void)b.snapshot("", "edge-0");
  const auto mine = b.snapshot("", "edge-1");
  CHECK(b.snapshot("").fault.code == "overloaded");
  CHECK_FALSE(b.snapshot(mine.cursor, "edge-0").fault.ok());  // another peer's
  b.say("edge-0", link::SnapshotNext{++b.last_ref, "incidents", mine.cursor, true});
  CHECK(b.metrics->snapshots.value() == 2);  // nor is it another's to cancel (L-22)
  b.edge("edge-0", 2);
  CHECK(b.metrics->snapshots.value() == 1);
  b.pass(Millis{2'500});
  CHECK(b.metrics->snapshots.value() == 0);
  CHECK_FALSE(b.snapshot(mine.cursor, "edge-1").fault.ok());
}

TEST_CASE("incidents are listed by filter in key order, page by page, and found by key in any channel") {
  Linked b;
  for (int i = 0; i < 12; ++i)
    (void)b.publish(change("", "k" + std::to_string(10 + i), i % 2 == 0 ? R"({"severity":"P0"})" : "{}"));
  Draft elsewhere = change("", "far", "{}");
  elsewhere.channel = "other";
  (void)b.publish(elsewhere);
  std::vector<std::string> keys;
  std::string cursor;
  do {
    b.say("reader", link::ListIncidents{1, "incidents", R"({"severity":["P0"]})", cursor, 4});
    const auto page = b.must_take<link::IncidentsPage>("reader");
    REQUIRE(page.fault.ok());
    for (const auto& i : page.incidents) keys.push_back(i.key);
    cursor = page.cursor;
  } while (!cursor.empty());
  CHECK(keys == std::vector<std::string>{"k10", "k12", "k14", "k16", "k18", "k20"});
  b.say("reader", link::GetIncident{2, "", "far"});
  const auto far = b.must_take<link::IncidentsPage>("reader");
  REQUIRE(far.incidents.size() == 1);
  CHECK(far.head.channel == "other");
  b.say("reader", link::GetIncident{3, "", "nowhere"});
  CHECK(b.must_take<link::IncidentsPage>("reader").fault.code == "not_found");
}

TEST_CASE("L-26: a ticket's fence is honoured once, also when nothing is kept of its session") {
  Linked b;
  b.say("edge-0", link::SessionPut{record("s", 1), true});
  const auto claim = [&b](const std::string& id, std::uint64_t fence, const char* subject = "alice") {
    b.say("edge-1", link::SessionClaim{++b.last_ref, id, "edge-1", fence, subject});
    return b.must_take<link::SessionState>("edge-1");
  };
  CHECK(claim("s", 1).record.fence == 2);
  const auto again = claim("s", 1);
  CHECK(again.fault.code == "unauthorized");
  CHECK_FALSE(again.found);
  const auto foreign = claim("s", 2, "mallory");
  CHECK(foreign.fault.code == "forbidden");
  CHECK(foreign.record.subs.empty());
  CHECK(claim("s", 2, "").fault.code == "forbidden");
  CHECK(claim("s", 2).record.fence == 3);  // the refused ones cost nothing
  CHECK(claim("unknown", 4).record.fence == 5);
  CHECK(claim("unknown", 4).fault.code == "unauthorized");
}

TEST_CASE("a claim raises the fence durably, gives the record, and tells the former owner") {
  Linked b;
  b.say("edge-0", link::SessionPut{record("s", 1), true});
  b.store->open = false;
  b.say("edge-1", link::SessionClaim{7, "s", "edge-1", 0, "alice"});
  CHECK_FALSE(b.take<link::SessionState>("edge-1"));  // not before it is durable
  b.store->open = true;
  b.store->release();
  b.settle();
  const auto state = b.must_take<link::SessionState>("edge-1");
  CHECK(state.ref == 7);
  CHECK(state.found);
  CHECK(state.record.fence == 2);
  CHECK(state.record.subject == "alice");
  REQUIRE(state.record.subs.size() == 1);
  CHECK(state.record.subs[0].position == Position{Epoch{5}, 17});
  const auto fenced = b.must_take<link::SessionFenced>("edge-0");
  CHECK(fenced.id == "s");
  CHECK(fenced.fence == 2);
  CHECK(fenced.edge == "edge-1");

  b.say("edge-0", link::SessionPut{record("s", 1), true});  // the former owner is late: ignored
  CHECK(b.claim("edge-1", "s").record.fence == 3);
  b.start();
  b.edge("edge-1");
  CHECK(b.claim("edge-1", "s").record.fence == 4);
}

TEST_CASE("records that come together are kept each by its own fence") {
  Linked b;
  b.say("edge-0", link::SessionPut{record("a", 3), true});
  b.say("edge-0", link::SessionPuts{{{record("a", 2), true}, {record("", 1), true}, {record("b", 1), true}}});
  CHECK(b.claim("edge-1", "a").record.fence == 4);
  const auto other = b.claim("edge-1", "b");
  CHECK(other.found);
  CHECK(other.record.fence == 2);
}

TEST_CASE("a session ends its time-to-live after its socket, not before, and a drop ends it at once") {
  Config config;
  config.session_ttl_s = 10;
  config.peer_silence = Millis{600'000};
  Linked b(config);
  b.say("edge-0", link::SessionPut{record("gone", 1), false});
  b.say("edge-0", link::SessionPut{record("live", 1), true});
  b.say("edge-0", link::SessionPut{record("dropped", 1), true});
  b.say("edge-0", link::SessionDrop{"dropped", 1});
  CHECK_FALSE(b.claim("edge-1", "dropped").found);
  b.pass(Millis{5'000});
  CHECK(b.store->session("gone")->has_value());
  b.pass(Millis{20'000});
  CHECK_FALSE(b.store->session("gone")->has_value());
  CHECK_FALSE(b.claim("edge-1", "gone").found);
  CHECK(b.claim("edge-1", "live").found);
}
