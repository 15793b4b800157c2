#include "edge/codec/server_frame.h"

#include <doctest/doctest.h>

#include <array>

#include "common/json/json.h"
#include "edge/codec/sse_frame.h"
#include "edge/codec/ws_frame.h"

namespace tocsin::edge {
namespace {

TEST_CASE("frames are the JSON of PROTOCOL.md section 4") {
  const Position p{Epoch{0xab}, 17};
  CHECK(
      frame::subscribed(Door::json, {"a", 7, "c", p, Outcome::live, LostReason::none}) ==
      R"({"type":"subscribed","id":"a","sub":7,"channel":"c","position":{"epoch":"00000000000000ab","offset":17},"outcome":"live"})");
  CHECK(frame::subscribed(Door::json, {"a", 7, "c", p, Outcome::lost, LostReason::too_old})
            .ends_with(R"("outcome":"lost","reason":"too_old"})"));
  CHECK(frame::skip(Door::json, 7, 19, 22) == R"({"type":"skip","sub":7,"from":19,"to":22})");
  CHECK(frame::head(Door::json, 7, 22) == R"({"type":"head","sub":7,"offset":22})");
  CHECK(frame::update(Door::json, 7, 18, R"("event_id":"e")") ==
        R"({"type":"update","sub":7,"offset":18,"event_id":"e"})");
  const std::array<Offset, 2> replaced{3, 5};
  CHECK(frame::conflated(Door::json, 7, 9, replaced, R"("event_id":"e")") ==
        R"({"type":"update","sub":7,"offset":9,"replaces":[3,5],"event_id":"e"})");
  CHECK(frame::snapshot(Door::json, 7, R"({"id":"i"})", true) ==
        R"({"type":"snapshot","sub":7,"incidents":[{"id":"i"}],"last":true})");
  CHECK(frame::pong(Door::json, "x") == R"({"type":"pong","ref":"x"})");
  CHECK(
      frame::closing(Door::json, CloseReason::slow_consumer, "", "T") ==
      R"({"type":"closing","code":4430,"reason":"the client reads too slowly; resume with the ticket","retry_after_ms":1000,"ticket":"T"})");
  CHECK(
      frame::error(Door::json, {Errc::position_lost, "x"}, {"a", ""}) ==
      R"({"type":"error","code":"position_lost","status":410,"message":"updates after this position are no longer kept: x","retry":"resync","id":"a"})");
  CHECK(
      frame::welcome(Door::json, {"s", "t", "edge-0", 25000, 1760000000000, false, 7}) ==
      R"({"type":"welcome","session":"s","ticket":"t","edge":"edge-0","keepalive_ms":25000,"server_time":1760000000000,"retry_after_ms":7,"resumed":false})");
  link::PublishOutcome outcome;
  outcome.position = p;
  outcome.event_id = "e";
  outcome.version = 2;
  CHECK(
      frame::published(Door::json, "p1", "c", outcome) ==
      R"({"type":"published","ref":"p1","channel":"c","position":{"epoch":"00000000000000ab","offset":17},"durability":"disk","duplicate":false,"event_id":"e","version":2})");
}

TEST_CASE("every frame is one JSON object, whatever the client named things") {
  const std::string nasty = "\"\\\n\x01\xC3\xA9";
  for (const auto& json :
       {frame::subscribed(Door::json, {nasty, 1, nasty, {}, Outcome::lost, LostReason::future}),
        frame::error(Door::json, {Errc::internal, nasty}, {nasty, nasty}), frame::pong(Door::json, nasty),
        frame::closing(Door::json, CloseReason::policy, nasty, nasty)})
    CHECK(json::parse(json));
}

TEST_CASE(
    "PROTOCOL 2.1, 6.5: a door wraps the same JSON: a text frame, or an event with an id to resume from") {
  std::string ws;
  append_framed(ws, {Door::json}, "{}");
  CHECK(ws::read(ws)->payload == "{}");
  std::string sse;
  append_framed(sse, {Door::sse}, "{}", {Epoch{1}, 5});
  CHECK(sse == "id: 0000000000000001:5\ndata: {}\n\n");
  CHECK(sse::parse_id("0000000000000001:5").operator bool());
  sse.clear();
  append_framed(sse, {Door::sse}, "{}");
  CHECK(sse == "data: {}\n\n");
  for (const auto* bad :
       {"", ":", "5", "0000000000000001:", "0000000000000001:x", "0000000000000001:-1", "1:5"})
    CHECK_FALSE(sse::parse_id(bad));
}

}  // namespace
}  // namespace tocsin::edge
