#include "tests/unit/broker/log_store_suite.h"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace tocsin::broker::testing {
namespace {

constexpr std::uint64_t kRowBytes = 10;

struct Sized {
  std::unique_ptr<LogStore> store;
  ChannelId id;
};
Sized with_rows(const Fixture& fixture, Offset n) {
  Sized out{fixture.make(), {}};
  out.id = out.store->new_channel_id(fixture.durability);
  REQUIRE(commit_now(*out.store, rows(out.id, "incidents", 1, n)));
  return out;
}

void reads_what_was_committed(const Fixture& fixture) {
  auto [store, id] = with_rows(fixture, 5);
  const auto channels = store->channels();
  REQUIRE(channels);
  REQUIRE(channels->size() == 1);
  CHECK(channels->front().name == "incidents");
  CHECK(channels->front().epoch == Epoch{7});
  CHECK(channels->front().last == 5);
  CHECK(channels->front().bytes_total == 5 * kRowBytes);

  const auto all = store->read_after(id, 0, 100, 1'000'000);
  REQUIRE(all);
  REQUIRE(all->size() == 5);
  CHECK(all->front().offset == 1);
  CHECK(*all->back().bytes == "row 5");
  CHECK(store->read_after(id, 5, 100, 1'000'000)->empty());
  CHECK(store->read_after(id, 2, 2, 1'000'000)->size() == 2);
  CHECK(store->read_after(id, 2, 2, 1'000'000)->front().offset == 3);
  // The byte bound gives at least one row, so that a reader always gets on.
  CHECK(store->read_after(id, 0, 100, 1)->size() == 1);
  CHECK(store->read_after(id, 0, 100, 11)->size() == 2);
}

void marks_and_event_ids(const Fixture& fixture) {
  auto [store, id] = with_rows(fixture, 5);
  const auto mark = store->mark(id, 3);
  REQUIRE(mark);
  CHECK(mark->bytes_total == 3 * kRowBytes);
  CHECK(mark->stored_ms == 1003);
  CHECK(store->mark(id, 6).error().code == Errc::not_found);
  const auto ids = store->newest_event_ids(id, 2);
  REQUIRE(ids);
  REQUIRE(ids->size() == 2);
  CHECK(ids->front().offset == 4);
  CHECK(ids->back().event_id == "e5");
  CHECK(store->newest_event_ids(id, 100)->size() == 5);
}

void rows_below_row_first_go(const Fixture& fixture) {
  auto [store, id] = with_rows(fixture, 5);
  Batch batch = rows(id, "incidents", 6, 6);
  batch.channels.front() = meta(id, "incidents", 6, 4, 3);
  REQUIRE(commit_now(*store, std::move(batch)));
  CHECK(store->mark(id, 2).error().code == Errc::not_found);
  CHECK(store->mark(id, 3));
  CHECK(store->read_after(id, 2, 100, 1'000'000)->size() == 4);
  CHECK(store->newest_event_ids(id, 100)->size() == 4);
}

void incidents_by_key_and_in_order(const Fixture& fixture) {
  auto [store, id] = with_rows(fixture, 1);
  Batch batch = rows(id, "incidents", 2, 3);
  batch.incidents.emplace_back(id, incident("b", 2, R"({"v":1})"));
  batch.incidents.emplace_back(id, incident("a", 3, R"({"v":2})"));
  batch.incidents.emplace_back(id, incident("b", 3, R"({"v":3})"));  // the last one of a key counts
  REQUIRE(commit_now(*store, std::move(batch)));
  const auto b = store->incident(id, "b");
  REQUIRE(b);
  REQUIRE(*b);
  CHECK((*b)->offset == 3);
  CHECK(*(*b)->json == R"({"v":3})");
  CHECK_FALSE(store->incident(id, "c")->has_value());
  CHECK_FALSE(store->incident(store->new_channel_id(fixture.durability), "b")->has_value());
  const auto page = store->incidents(id, "", 1);
  REQUIRE(page->size() == 1);
  CHECK(page->front().key == "a");
  CHECK(store->incidents(id, "a", 10)->size() == 1);
  CHECK(store->incidents(id, "b", 10)->empty());
}

void a_snapshot_does_not_see_later_batches(const Fixture& fixture) {
  auto [store, id] = with_rows(fixture, 1);
  Batch batch = rows(id, "incidents", 2, 2);
  for (const char* key : {"a", "b", "c"}) batch.incidents.emplace_back(id, incident(key, 2, "{}"));
  REQUIRE(commit_now(*store, std::move(batch)));

  auto snapshot = store->snapshot(id);
  REQUIRE(snapshot);
  CHECK((*snapshot)->position() == Position{Epoch{7}, 2});
  CHECK((*snapshot)->next(1, 1'000)->size() == 1);
  Batch later = rows(id, "incidents", 3, 3);
  later.incidents.emplace_back(id, incident("b", 3, R"({"later":1})"));
  later.incidents.emplace_back(id, incident("d", 3, "{}"));
  REQUIRE(commit_now(*store, std::move(later)));

  const auto rest = (*snapshot)->next(100, 1'000'000);
  REQUIRE(rest);
  REQUIRE(rest->size() == 2);
  CHECK(*rest->front().json == "{}");
  CHECK(rest->back().key == "c");
  CHECK((*snapshot)->next(100, 1'000'000)->empty());
  CHECK((*store->snapshot(id))->position().offset == 3);
  // A bound of one byte still gives one row a page.
  CHECK((*store->snapshot(id))->next(100, 1)->size() == 1);
  CHECK_FALSE(store->snapshot(store->new_channel_id(fixture.durability)));
}

void nothing_is_visible_before_poll_says_so(const Fixture& fixture) {
  auto store = fixture.make();
  const ChannelId id = store->new_channel_id(fixture.durability);
  bool called = false;
  store->commit(rows(id, "incidents", 1, 1), [&](const Status&) { called = true; });
  CHECK_FALSE(called);  // never from inside commit()
}

void ids_differ(const Fixture& fixture) {
  auto [store, id] = with_rows(fixture, 1);
  const ChannelId a = store->new_channel_id(fixture.durability);
  const ChannelId b = store->new_channel_id(fixture.durability);
  CHECK(a != b);
  CHECK(a != id);
  CHECK(b != id);
  CHECK(is_volatile(a) == (fixture.durability == Durability::memory));
}

void sessions_and_settings(const Fixture& fixture) {
  auto store = fixture.make();
  Batch batch;
  batch.sessions.push_back({"s1", 3, "edge-0", 9, true, 100, "record"});
  batch.sessions.push_back({"s2", 1, "edge-0", 9, false, 100, ""});
  batch.sessions.push_back({"s3", 1, "edge-1", 9, true, 100, ""});
  batch.settings.emplace_back("key", std::string("\0\1", 2));
  REQUIRE(commit_now(*store, std::move(batch)));
  const auto s1 = store->session("s1");
  REQUIRE(s1);
  REQUIRE(*s1);
  CHECK((*s1)->fence == 3);
  CHECK((*s1)->edge == "edge-0");
  CHECK((*s1)->instance == 9);
  CHECK((*s1)->connected);
  CHECK((*s1)->record == "record");
  CHECK_FALSE(store->session("s9")->has_value());
  CHECK(*store->setting("key") == std::string("\0\1", 2));
  CHECK_FALSE(store->setting("other")->has_value());

  Batch touch;
  touch.session_touches.push_back({"edge-0", 9, 500});
  REQUIRE(commit_now(*store, std::move(touch)));
  CHECK((*store->session("s1"))->expires_ms == 500);
  CHECK((*store->session("s2"))->expires_ms == 100);  // its socket is gone: nothing keeps it
  CHECK(store->expired_sessions(101, 10)->size() == 2);
  CHECK(store->expired_sessions(101, 1)->size() == 1);
  CHECK(store->expired_sessions(100, 10)->empty());
  Batch drop;
  drop.session_drops = {"s2", "s3", "never"};
  REQUIRE(commit_now(*store, std::move(drop)));
  CHECK_FALSE(store->session("s2")->has_value());
}

}  // namespace

Status commit_now(LogStore& store, Batch batch) {
  std::mutex mutex;
  std::condition_variable woken;
  bool ready = false;
  std::optional<Status> outcome;
  store.on_wake([&] {
    const std::lock_guard lock(mutex);
    ready = true;
    woken.notify_one();
  });
  store.commit(std::move(batch), [&](Status s) { outcome = std::move(s); });
  while (!outcome) {
    {
      std::unique_lock lock(mutex);
      REQUIRE(woken.wait_for(lock, std::chrono::seconds(30), [&] { return ready; }));
      ready = false;
    }
    store.poll();
  }
  store.on_wake({});
  return *outcome;
}

ChannelMeta meta(ChannelId id, std::string name, Offset last, Offset first, Offset row_first) {
  return {id,
          std::move(name),
          Epoch{7},
          first,
          row_first,
          last,
          last * kRowBytes,
          is_volatile(id) ? Durability::memory : Durability::disk};
}

Batch rows(ChannelId id, const std::string& name, Offset from, Offset to) {
  Batch batch;
  for (Offset o = from; o <= to; ++o)
    batch.appends.push_back({id,
                             {o, std::make_shared<const std::string>("row " + std::to_string(o))},
                             "e" + std::to_string(o),
                             1000 + static_cast<std::int64_t>(o),
                             o * kRowBytes});
  batch.channels.push_back(meta(id, name, to));
  return batch;
}

IncidentRow incident(std::string key, Offset offset, std::string json) {
  return {std::move(key), offset, std::make_shared<const std::string>(std::move(json))};
}

void run_log_store_suite(const Fixture& fixture) {
  SUBCASE("rows, heads and bounds read back as committed") { reads_what_was_committed(fixture); }
  SUBCASE("marks and event ids are found by offset") { marks_and_event_ids(fixture); }
  SUBCASE("rows below row_first are removed, the others stay") { rows_below_row_first_go(fixture); }
  SUBCASE("incidents are found by key and listed in key order") { incidents_by_key_and_in_order(fixture); }
  SUBCASE("a snapshot keeps its position and rows while batches commit") {
    a_snapshot_does_not_see_later_batches(fixture);
  }
  SUBCASE("done never runs inside commit") { nothing_is_visible_before_poll_says_so(fixture); }
  SUBCASE("channel ids are never given twice") { ids_differ(fixture); }
  SUBCASE("sessions, touches, drops and settings") { sessions_and_settings(fixture); }
}

}  // namespace tocsin::broker::testing
