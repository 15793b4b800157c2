// What a publisher may rely on: positions, deduplication, versions, and what happens when the disk says no.
#include <doctest/doctest.h>

#include "tests/unit/broker/core_fixture.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

struct Publishing : Broker {
  explicit Publishing(Config c = {}) : Broker(std::move(c)) {
    edge("pub");
    edge("reader");
  }
};

}  // namespace

TEST_CASE("positions of a channel are dense from 1, in the order of the drafts") {
  Publishing b;
  link::Publish publish{1, {}};
  for (int i = 0; i < 5; ++i)
    publish.drafts.push_back(change("", "k" + std::to_string(i), R"({"title":"t"})"));
  b.say("pub", publish);
  const auto result = b.must_take<link::PublishResult>("pub");
  REQUIRE(result.ref == 1);
  REQUIRE(result.outcomes.size() == 5);
  for (Offset i = 0; i < 5; ++i) {
    CHECK(result.outcomes[i].fault.ok());
    CHECK(result.outcomes[i].position.offset == i + 1);
    CHECK(result.outcomes[i].position.epoch == result.outcomes[0].position.epoch);
    CHECK(result.outcomes[i].version == 1);
    CHECK(result.outcomes[i].event_id.size() == 32);  // made up
  }
  CHECK(b.read("incidents", result.outcomes[0].position.epoch, 0).records.size() == 5);
}

TEST_CASE(
    "an event_id that comes again gets the first position, also from the group under way and after a restart") {
  Publishing b;
  b.store->open = false;
  b.send_draft(change("e1", "k", R"({"title":"a"})"));
  b.send_draft(change("e1", "k", R"({"title":"a"})"));
  CHECK_FALSE(b.take<link::PublishResult>("pub"));  // neither is told before the commit
  b.store->open = true;
  b.store->release();
  b.settle();
  const auto first = b.must_take<link::PublishResult>("pub").outcomes.front();
  const auto second = b.must_take<link::PublishResult>("pub").outcomes.front();
  CHECK_FALSE(first.duplicate);
  CHECK(second.duplicate);
  CHECK(first.position == second.position);

  b.start();
  b.edge("pub");
  const auto third = b.publish(change("e1", "k", R"({"title":"other"})"));
  CHECK(third.duplicate);
  CHECK(third.position == first.position);
  CHECK(b.publish(change("e2", "k", R"({"title":"b"})")).position.offset == 2);
}

TEST_CASE("an event_id that comes again with another body is counted and stores nothing") {
  Publishing b;
  (void)b.publish(change("e1", "k", R"({"title":"a"})"));
  const auto again = b.publish(change("e1", "k", R"({"title":"other"})"));
  CHECK(again.duplicate);
  CHECK(again.position.offset == 1);
  CHECK(b.metrics->duplicate_bodies.value() == 1);
}

TEST_CASE("the dedup window forgets the oldest ids, and only those") {
  Config config;
  config.dedup_window = 3;
  Publishing b(config);
  for (const char* id : {"e1", "e2", "e3", "e4"}) (void)b.publish(change(id, "k", "{}"));
  CHECK(b.publish(change("e2", "k", "{}")).duplicate);
  CHECK_FALSE(b.publish(change("e1", "k", "{}")).duplicate);
}

TEST_CASE("a stale if_version is a conflict and leaves nothing behind") {
  Publishing b;
  const auto first = b.publish(change("e1", "k", R"({"title":"a"})"));
  Draft stale = change("e2", "k", R"({"title":"b"})");
  stale.if_version = 7;
  CHECK(b.publish(stale).fault.code == "conflict");
  stale.if_version = 1;
  const auto good = b.publish(stale);  // the same event_id: the refused one left no trace
  CHECK(good.fault.ok());
  CHECK(good.version == 2);
  CHECK(b.read("incidents", first.position.epoch, 0).head.last == 2);
}

TEST_CASE("changes of one group build on each other before they are committed") {
  Publishing b;
  b.store->open = false;
  b.send_draft(change("e0", "x", "{}"));  // the disk is busy with this one
  link::Publish publish{9,
                        {change("e1", "k", R"({"title":"a"})"), change("e2", "k", R"({"severity":"P1"})")}};
  publish.drafts[1].if_version = 1;
  b.say("pub", publish);
  b.store->open = true;
  b.store->release();
  b.settle();
  (void)b.must_take<link::PublishResult>("pub");
  const auto result = b.must_take<link::PublishResult>("pub");
  CHECK(result.outcomes[1].version == 2);
  b.say("reader", link::GetIncident{1, "incidents", "k"});
  const auto page = b.must_take<link::IncidentsPage>("reader");
  REQUIRE(page.incidents.size() == 1);
  CHECK(page.incidents[0].json.find("\"title\":\"a\"") != std::string::npos);
  CHECK(page.incidents[0].json.find("\"severity\":\"P1\"") != std::string::npos);
}

TEST_CASE("while a group is committed the next gathers, and goes as one") {
  Publishing b;
  b.store->open = false;
  const int before = b.store->commits;
  for (int i = 0; i < 10; ++i) b.send_draft(change("e" + std::to_string(i), "k", "{}"));
  CHECK(b.store->commits == before + 1);
  b.store->release();
  b.settle();
  CHECK(b.store->commits == before + 2);
  b.store->release();
  b.settle();
  for (Offset i = 1; i <= 10; ++i)
    CHECK(b.must_take<link::PublishResult>("pub").outcomes.front().position.offset == i);
}

TEST_CASE("a commit that fails takes everything back that was built on it") {
  Publishing b;
  b.edge("edge-0");
  b.want("edge-0", "incidents");
  const auto kept = b.publish(change("e0", "k", R"({"title":"kept"})"));
  b.store->open = false;
  b.store->failing = Error{Errc::disk_full, "no space"};
  b.send_draft(change("e1", "k", R"({"title":"lost"})"));
  b.send_draft(change("e2", "k", R"({"severity":"P0"})"));  // gathers on top of it
  b.store->release();
  b.settle();
  for (int i = 0; i < 2; ++i)
    CHECK(b.must_take<link::PublishResult>("pub").outcomes.front().fault.code == "disk_full");
  CHECK(b.core->not_ready_reason() == "disk_full");
  CHECK(b.publish(change("e3", "k", "{}")).fault.code == "disk_full");  // refused at once
  CHECK(b.read("incidents", kept.position.epoch, 0).head.last == 1);

  SUBCASE("and the broker recovers by itself when there is space again") {
    b.store->failing.reset();
    b.store->open = true;
    b.pass(Millis{3'000});
    CHECK(b.core->not_ready_reason().empty());
    const auto next = b.publish(change("e1", "k", R"({"priority":1})"));
    CHECK(next.fault.ok());
    CHECK_FALSE(next.duplicate);
    CHECK(next.position == Position{kept.position.epoch, 2});
    CHECK(next.version == 2);
    b.say("reader", link::GetIncident{1, "incidents", "k"});
    const auto json = b.must_take<link::IncidentsPage>("reader").incidents.at(0).json;
    CHECK(json.find("kept") != std::string::npos);
    CHECK(json.find("P0") == std::string::npos);
    const auto records = b.read("incidents", kept.position.epoch, 0).records;
    CHECK(records.size() == 2);
  }
  SUBCASE("and while it lasts the probes fail quietly") {
    b.pass(Millis{5'000});
    b.store->release();
    b.pass(Millis{2'000});
    CHECK(b.core->not_ready_reason() == "disk_full");
  }
}

TEST_CASE("nothing reaches an edge before the disk has it") {
  Publishing b;
  b.edge("edge-0");
  b.want("edge-0", "incidents");
  b.store->open = false;
  b.send_draft(change("e1", "k", "{}"));
  b.pass(Millis{2'000});
  CHECK_FALSE(b.take<link::Updates>("edge-0"));
  CHECK_FALSE(b.take<link::PublishResult>("pub"));
  b.store->release();
  b.settle();
  CHECK(b.take<link::Updates>("edge-0"));
  CHECK(b.take<link::PublishResult>("pub"));
}

TEST_CASE("a publisher over its window, and a group over its bound, are refused as overloaded") {
  Config config;
  config.publish_window = 3;
  config.group_max_count = 4;
  Publishing b(config);
  b.edge("other");
  b.store->open = false;
  b.send_draft(change("", "k", "{}"));  // on its way to the disk
  for (int i = 0; i < 3; ++i) b.send_draft(change("", "k", "{}"));
  for (int i = 0; i < 3; ++i) b.send_draft(change("", "k", "{}"), "other");
  b.store->open = true;
  b.store->release();
  b.settle();
  int good = 0;
  int overloaded = 0;
  for (const char* peer : {"pub", "other"})
    while (const auto result = b.take<link::PublishResult>(peer))
      for (const auto& o : result->outcomes) ++(o.fault.ok() ? good : overloaded);
  CHECK(good == 5);  // 3 of the window, then 2 more fit into the group
  CHECK(overloaded == 2);
  CHECK(b.publish(change("", "k", "{}")).fault.ok());  // answered ones free the window
}

TEST_CASE("what is not an update is refused by itself, between good ones") {
  Config config;
  config.update_max_bytes = 2'000;
  Publishing b(config);
  link::Publish publish{1, {}};
  const auto add = [&](Draft d) { publish.drafts.push_back(std::move(d)); };
  add(change("good1", "k", "{}"));
  Draft d = change("a", "k", "{}");
  d.channel = "no spaces allowed";
  add(d);
  add(change("b", "k", "{not json"));
  add(change("c", "", "{}"));
  add(change("d", "k", R"({"severity":"P9"})"));
  add(change(std::string(300, 'x'), "k", "{}"));
  add(change("e", "k", R"({"title":")" + std::string(3'000, 'x') + "\"}"));
  d = change("f", "k", "{}");
  d.at = "yesterday";
  add(d);
  d = change("g", "k", "");
  d.event_name = "note";
  d.event_data = "[1,";
  add(d);
  add(change("good2", "k", "{}"));
  b.say("pub", publish);
  const auto outcomes = b.must_take<link::PublishResult>("pub").outcomes;
  REQUIRE(outcomes.size() == 10);
  CHECK(outcomes.front().position.offset == 1);
  for (std::size_t i = 1; i < 9; ++i) {
    CAPTURE(i);
    CHECK(outcomes[i].fault.code == (i == 6 ? "too_large" : "invalid_argument"));
  }
  CHECK(outcomes.back().position.offset == 2);
}

TEST_CASE("channels of memory durability say so, and begin a new epoch with each start") {
  Config config;
  config.memory_channels = {"typing:*"};
  Publishing b(config);
  Draft d = change("e1", "k", "{}");
  d.channel = "typing:7";
  const auto first = b.publish(d);
  CHECK(first.durability == Durability::memory);
  CHECK(b.publish(change("e1", "k", "{}")).durability == Durability::disk);
}

TEST_CASE("history is limited by count: older positions are lost as too_old, the state stays whole") {
  Config config;
  config.history_max_count = 10;
  config.dedup_window = 4;
  Publishing b(config);
  Epoch epoch{};
  for (int i = 0; i < 30; ++i) epoch = b.publish(change("", "k" + std::to_string(i), "{}")).position.epoch;
  const auto head = b.read("incidents", epoch, 30).head;
  CHECK(head.first == 21);
  CHECK(head.last == 30);
  CHECK(b.read("incidents", epoch, 20).records.size() == 10);
  const auto lost = b.read("incidents", epoch, 19);
  CHECK(lost.fault.code == "position_lost");
  CHECK(lost.fault.detail == "too_old");
  CHECK(lost.head.first == 21);
  CHECK(b.read("incidents", epoch, 31).fault.detail == "future");
  CHECK(b.read("incidents", Epoch{1}, 3).fault.detail == "epoch_changed");
  b.say("reader", link::GetIncident{1, "incidents", "k0"});
  CHECK(b.must_take<link::IncidentsPage>("reader").incidents.size() == 1);
}

TEST_CASE("history is limited by bytes and by age") {
  Config config;
  SUBCASE("bytes") {
    config.history_max_bytes = 20'000;
    Publishing b(config);
    Epoch epoch{};
    const std::string body = R"({"description":")" + std::string(1'000, 'x') + "\"}";
    for (int i = 0; i < 60; ++i) epoch = b.publish(change("", "k", body)).position.epoch;
    b.pass(Millis{3'000});
    const auto head = b.read("incidents", epoch, 60).head;
    CHECK(head.first > 40);
    CHECK(head.first < 50);
  }
  SUBCASE("age") {
    config.history_max_age_s = 60;
    Publishing b(config);
    const auto old = b.publish(change("", "k", "{}"));
    b.clock.pass(Millis{40'000});
    b.edge("pub");
    (void)b.publish(change("", "k", "{}"));
    b.clock.pass(Millis{40'000});
    b.pass(Millis{2'000});
    b.edge("reader");
    CHECK(b.read("incidents", old.position.epoch, 2).head.first == 2);
  }
}

TEST_CASE("what is far over a limit is lost to readers at once, and removed a few rows a commit") {
  Publishing b;
  Epoch epoch{};
  for (int i = 0; i < 5'000; ++i) epoch = b.publish(change("", "k", "{}")).position.epoch;
  b.config.history_max_count = 10;
  b.config.dedup_window = 1;
  const auto rows_first = [&b] { return b.disk.channels()->front().row_first; };
  (void)b.publish(change("", "k", "{}"));
  CHECK(b.read("incidents", epoch, 4'990).fault.detail == "too_old");
  CHECK(b.read("incidents", epoch, 4'991).records.size() == 10);
  CHECK(rows_first() == 3);
  Offset before = rows_first();
  for (int ticks = 0; rows_first() < 4'992; ++ticks) {
    REQUIRE(ticks < 5);
    b.pass(Millis{100});
    CHECK(rows_first() - before <= 2'000);
    before = rows_first();
  }
  b.edge("reader");
  CHECK(b.read("incidents", epoch, 4'991).records.size() == 10);
}

TEST_CASE("after stop nothing is taken, what was under way is answered") {
  Publishing b;
  b.store->open = false;
  b.send_draft(change("e1", "k", "{}"));
  b.core->stop();
  CHECK_FALSE(b.core->idle());
  b.send_draft(change("e2", "k", "{}"));
  b.store->release();
  b.settle();
  b.store->release();
  b.settle();
  CHECK(b.core->idle());
  CHECK(b.must_take<link::PublishResult>("pub").outcomes.front().fault.ok());
  CHECK(b.must_take<link::PublishResult>("pub").outcomes.front().fault.code == "unavailable");
}

TEST_CASE("damage found while reading turns readiness off") {
  Publishing b;
  const auto first = b.publish(change("e1", "k", "{}"));
  b.store->read_error = Error{Errc::corrupt, "page 7"};
  CHECK(b.read("incidents", first.position.epoch, 0).fault.code == "corrupt");
  CHECK(b.core->not_ready_reason() == "corrupt");
  b.store->read_error.reset();
  b.pass(Millis{5'000});
  CHECK(b.publish(change("e2", "k", "{}")).fault.code == "corrupt");
}
