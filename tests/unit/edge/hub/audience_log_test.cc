#include "edge/hub/audience_log.h"

#include <doctest/doctest.h>

#include "edge/codec/ws_frame.h"
#include "edge/hub/conflate.h"
#include "tests/unit/edge/hub/updates.h"

namespace tocsin::edge {
namespace {

using hub_test::payloads;
using hub_test::update;

AudienceLog log_at(Offset offset) {
  AudienceLog log({Door::json}, 7);
  log.reset({Epoch{1}, offset});
  return log;
}

TEST_CASE(
    "PROTOCOL 1.6, 4.5: frames cover every offset after the floor, with a skip before a match that is not the next") {
  auto log = log_at(10);
  log.append(update(11, "a"));
  log.append(update(15, "a"));
  log.skip_to(15);
  log.skip_to(18);
  log.append_head();
  const auto frames = payloads(log.batch(log.begin(), 1 << 20));
  REQUIRE(frames.size() == 5);
  CHECK(frames[0].starts_with(R"({"type":"update","sub":7,"offset":11,"event_id":)"));
  CHECK(frames[1] == R"({"type":"skip","sub":7,"from":12,"to":14})");
  CHECK(frames[3] == R"({"type":"skip","sub":7,"from":16,"to":18})");
  CHECK(frames[4] == R"({"type":"head","sub":7,"offset":18})");
  CHECK(log.covered() == 18);
  CHECK(log.floor() == 10);
}

TEST_CASE("a batch is whole frames: what fits, at least one") {
  auto log = log_at(0);
  for (Offset o = 1; o <= 10; ++o) log.append(update(o, "a"));
  const auto one = log.frames().front().end - log.begin();
  CHECK(log.batch(log.begin(), one * 3 + 5).size() == log.frames()[2].end - log.begin());
  CHECK(log.batch(log.begin(), 1).size() == one);
  CHECK(log.batch(log.begin(), 1 << 20).size() == log.size());
  CHECK(log.batch(log.end(), 100).empty());
  CHECK(log.frames_between(log.begin(), log.end()) == 10);
}

TEST_CASE("cursors survive trimming and frames put in front") {
  auto log = log_at(20);
  for (Offset o = 21; o <= 30; ++o) log.append(update(o, "a"));
  const auto cursor = log.find(25)->cursor;
  log.trim_to(log.find(23)->cursor);
  CHECK(log.floor() == 23);
  CHECK(payloads(log.batch(cursor, 1 << 20)).size() == 5);
  log.prepend(12, {update(14, "a"), update(20, "a")});
  CHECK(log.floor() == 12);
  CHECK(log.position_at(cursor) == 25);
  CHECK(payloads(log.batch(cursor, 1 << 20)).front().find("\"offset\":26,") != std::string::npos);
  const auto all = payloads(log.batch(log.begin(), 1 << 20));
  CHECK(all[0].find(R"("from":13,"to":13)") != std::string::npos);
  CHECK(all[1].find("\"offset\":14,") != std::string::npos);
  CHECK(all[4].find(R"("from":21,"to":23)") != std::string::npos);
  CHECK(all[5].find("\"offset\":24,") != std::string::npos);
  log.trim_to(log.end());
  log.release();
  CHECK(log.size() == 0);
  CHECK(log.floor() == 30);
}

TEST_CASE("find: where a client goes on, or that it must be told the rest of a skip first") {
  auto log = log_at(0);
  log.append(update(1, "a"));
  log.append(update(10, "a"));  // skip 2..9
  CHECK(log.find(0)->cursor == log.begin());
  CHECK(log.find(1)->skip_to == 0);
  const auto inside = log.find(4);
  CHECK(inside->skip_to == 9);
  CHECK(log.position_at(inside->cursor) == 9);
  CHECK(log.find(9)->cursor == inside->cursor);
  CHECK(log.find(10)->cursor == log.end());
  CHECK_FALSE(log.find(11));
  log.trim_to(log.find(1)->cursor);
  CHECK_FALSE(log.find(0));
}

TEST_CASE(
    "PROTOCOL 4.6: conflation: newest per key, what it stands for named, P0 and endings kept, budget held") {
  auto log = log_at(0);
  log.append(update(1, "a"));
  log.append(update(2, "b"));
  log.append(update(3, "a", "P0"));
  log.append(update(4, "a"));
  log.append(update(6, "a", "P3", true));
  log.append(update(7, "a"));
  log.append(update(8, "b"));
  FrameRun out;
  auto result = conflate(log, {Door::json}, 7, Epoch{1}, log.begin(), 1 << 20, out);
  CHECK(result.cursor == log.end());
  const auto frames = payloads(out.bytes);
  REQUIRE(frames.size() == 5);
  CHECK(frames[0].find(R"("offset":3,"replaces":[1])") != std::string::npos);
  CHECK(frames[1].find(R"("from":5,"to":5)") != std::string::npos);
  CHECK(frames[2].find(R"("offset":6,"replaces":[4])") != std::string::npos);
  CHECK(frames[3].find(R"("offset":7,"replaces":[])") != std::string::npos);
  CHECK(frames[4].find(R"("offset":8,"replaces":[2])") != std::string::npos);
  CHECK(result.dropped == 3);
  CHECK(out.ends.size() == 5);
  CHECK(out.ends.back() == out.bytes.size());
  // A small budget stops before what does not fit, and goes on from there.
  out = {};
  result = conflate(log, {Door::json}, 7, Epoch{1}, log.begin(), 10, out);
  CHECK(payloads(out.bytes).size() == 1);
  CHECK(result.cursor > log.begin());
  CHECK(result.cursor < log.end());
}

TEST_CASE("PROTOCOL 4.6: conflation never lets an event stand for an incident, nor one event for another") {
  auto log = log_at(0);
  log.append(update(1, "a"));
  log.append(hub_test::event(2, "a", "note"));
  log.append(hub_test::event(3, "a", "call"));
  log.append(hub_test::event(4, "a", "note"));
  log.append(hub_test::event(5, "", "x"));
  log.append(hub_test::event(6, "", "x"));
  FrameRun out;
  CHECK(conflate(log, {Door::json}, 7, Epoch{1}, log.begin(), 1 << 20, out).dropped == 1);
  CHECK(payloads(out.bytes).size() == 5);
}

}  // namespace
}  // namespace tocsin::edge
