// tocsin.v1.proto says what tocsin.v1.json says: frames are read back with the generated classes and compared
// with the JSON door's.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <variant>

#include "common/json/json.h"
#include "edge/codec/client_command.h"
#include "edge/codec/proto_update.h"
#include "edge/codec/server_frame.h"
#include "edge/codec/ws_frame.h"
#include "proto/client.pb.h"
#include "tests/support/proto_client.h"

namespace tocsin::edge {
namespace {

constexpr std::size_t kMax = 65'536;

/// Equal but for the order of members.
bool same(const std::string& a, const std::string& b) {
  const auto x = json::parse(a);
  const auto y = json::parse(b);
  return x && y && *x == *y;
}

template <typename Make>
void check_equal(const Make& make) {
  const std::string json = make(Door::json);
  const auto read = support::server_frame_json(make(Door::proto));
  REQUIRE(read);
  INFO(json, " / ", *read);
  CHECK(same(json, *read));
}

ClientCommand parsed(const v1::ClientFrame& frame) {
  return parse_command(Door::proto, frame.SerializeAsString(), kMax);
}

TEST_CASE("PROTOCOL 8.1: every frame of the proto door says what the JSON door's says") {
  const Position p{Epoch{0xabcdef0123456789}, 1ULL << 60U};
  link::PublishOutcome outcome;
  outcome.position = p;
  outcome.event_id = "e-1";
  outcome.version = 3;
  check_equal([&](Door d) {
    return frame::welcome(d, {"s", "t", "edge-0", 25'000, 1'760'000'000'000, true});
  });
  check_equal([&](Door d) { return frame::welcome(d, {"s", "", "edge-0", 0, 0, false}); });
  check_equal([&](Door d) {
    return frame::subscribed(d, {"a", 7, "c", p, Outcome::live, LostReason::none});
  });
  check_equal([&](Door d) {
    return frame::subscribed(d, {"a", 4'000'000'000, "c", {}, Outcome::lost, LostReason::too_old});
  });
  check_equal([&](Door d) { return frame::skip(d, 7, 19, 1ULL << 50U); });
  check_equal([&](Door d) { return frame::head(d, 300, 22); });
  check_equal([&](Door d) { return frame::published(d, "p1", "c", outcome); });
  check_equal([&](Door d) { return frame::published(d, "", "c", {}); });
  check_equal([&](Door d) { return frame::error(d, {Errc::position_lost, "x"}, {"a", ""}); });
  check_equal([&](Door d) { return frame::error(d, {Errc::internal, ""}, {"", "r"}); });
  check_equal([&](Door d) { return frame::closing(d, CloseReason::slow_consumer, "", "T"); });
  check_equal(
      [&](Door d) { return frame::closing(d, CloseReason::policy, "why", ""); });  // retry_after_ms -1
  check_equal([&](Door d) { return frame::pong(d, "x"); });
  check_equal([&](Door d) { return frame::pong(d, ""); });
}

TEST_CASE("PROTOCOL 8.3: updates lose nothing, whatever an incident holds") {
  const std::array<std::string, 5> members{
      R"("event_id":"e","kind":"created","key":"I","at":"2026-01-01T00:00:00Z","actor":"","changed":["title","labels"],"incident":{"id":"I","title":"","severity":"P1","status":"detected","affected_resources":["a","b"],"labels":{"service":"api","x":""},"assignees":["m"],"team":"t","created_at":"2026-01-01T00:00:00Z","version":12,"resolution":{"by":"x"},"metadata":{"n":[1,2.5,null]}})",
      R"("event_id":"e","kind":"updated","key":"I","at":"","actor":"\u0000\"ä","changed":[],"incident":{"id":"I","title":null,"affected_resources":[],"labels":{},"assignees":["a",1],"metadata":7,"version":-1,"mine":{"deep":[{}]},"other_json":"no"})",
      R"("event_id":"e","kind":"event","key":"","at":"a","actor":"b","event":{"name":"deploy","data":{"v":"1.2"}})",
      R"("event_id":"e","kind":"event","key":"k","at":"a","actor":"b","event":{"name":"deploy","data":null})",
      R"("event_id":"e","kind":"updated","key":"I","at":"","actor":"","changed":[],"incident":{})"};
  for (const auto& m : members) {
    const std::string body = proto_update_body(m);
    REQUIRE_FALSE(body.empty());
    const std::array<Offset, 3> replaced{3, 5, 1ULL << 40U};
    check_equal([&](Door d) { return frame::update(d, 7, 1'000, d == Door::proto ? body : m); });
    check_equal([&](Door d) { return frame::conflated(d, 7, 1'000, replaced, d == Door::proto ? body : m); });
    check_equal([&](Door d) { return frame::conflated(d, 7, 1'000, {}, d == Door::proto ? body : m); });
  }
}

TEST_CASE("PROTOCOL 8.3: snapshots hold the same incidents") {
  for (const bool last : {false, true})
    for (const std::size_t count : {0U, 1U, 3U})
      check_equal([&](Door d) {
        std::string incidents;
        for (std::size_t i = 0; i < count; ++i)
          frame::append_incident(d, incidents, R"({"id":"I","title":"t","version":1,"x":[]})");
        return frame::snapshot(d, 9, incidents, last);
      });
}

TEST_CASE("PROTOCOL 8.1: frames are binary messages; the header says so") {
  std::string out;
  append_framed(out, {Door::proto}, frame::pong(Door::proto, "x"));
  const auto view = ws::read(out);
  REQUIRE(view);
  CHECK(view->opcode == ws::Opcode::binary);
  CHECK(support::server_frame_json(view->payload) == R"({"type":"pong","ref":"x"})");
}

TEST_CASE("PROTOCOL 8.2: commands mean what their JSON means") {
  v1::ClientFrame f;
  auto& s = *f.mutable_subscribe();
  s.set_id("a");
  s.set_channel("incidents");
  s.mutable_filter()->add_severity("P1");
  s.mutable_filter()->add_severity("P0");
  (*s.mutable_filter()->mutable_labels())["service"].add_values("api");
  s.mutable_filter()->set_active(true);
  s.set_snapshot(true);
  s.set_conflate(false);
  s.mutable_since()->set_epoch(0xfULL << 60U);
  s.mutable_since()->set_offset(17);
  const auto command = parsed(f);
  const auto* got = std::get_if<Subscribe>(&command);
  REQUIRE(got != nullptr);
  CHECK(got->filter.canonical() ==
        Filter::parse(R"({"severity":["P0","P1"],"labels":{"service":["api"]},"active":true})")->canonical());
  CHECK(got->snapshot);
  CHECK(got->conflate == Conflate::never);
  REQUIRE(got->since);
  CHECK_FALSE(got->since->malformed);
  CHECK(got->since->position == Position{Epoch{0xfULL << 60U}, 17});

  f.Clear();
  f.mutable_connect()->set_ticket("T");
  (*f.mutable_connect()->mutable_since())["a"].set_offset(3);
  const auto connect = parsed(f);
  REQUIRE(std::holds_alternative<Connect>(connect));
  CHECK(std::get<Connect>(connect).since.size() == 1);
  f.mutable_bye();
  CHECK(std::holds_alternative<Bye>(parsed(f)));
  f.mutable_ping()->set_ref("x");
  CHECK(std::get<Ping>(parsed(f)).ref == "x");
  f.mutable_refresh()->set_token("t");
  CHECK(std::get<Refresh>(parsed(f)).token == "t");
  f.mutable_unsubscribe()->set_id("a");
  CHECK(std::get<Unsubscribe>(parsed(f)).id == "a");
}

TEST_CASE("PROTOCOL 8.3: a publish may mix fields and other_json; a field wins") {
  v1::ClientFrame f;
  f.mutable_publish()->set_ref("p");
  auto& update = *f.mutable_publish()->mutable_update();
  update.set_key("I");
  update.set_if_version(3);
  auto& incident = *update.mutable_incident();
  incident.set_title("a \"title\"");
  incident.add_assignees("m");
  (*incident.mutable_labels())["service"] = "api";
  incident.set_metadata_json(R"({"n":1})");
  incident.set_other_json(R"({"title":"loses","team":null,"mine":[1]})");
  auto command = parsed(f);
  REQUIRE(std::holds_alternative<PublishOne>(command));
  const auto& draft = std::get<PublishOne>(command).draft;
  CHECK(draft.channel == "incidents");
  CHECK(draft.if_version == 3);
  CHECK(same(
      draft.incident,
      R"({"title":"a \"title\"","assignees":["m"],"labels":{"service":"api"},"metadata":{"n":1},"team":null,"mine":[1]})"));

  update.mutable_event()->set_name("deploy");
  update.mutable_event()->set_data_json("[1]");
  command = parsed(f);
  REQUIRE(std::holds_alternative<PublishOne>(command));
  CHECK(std::get<PublishOne>(command).draft.event_data == "[1]");
}

TEST_CASE(
    "PROTOCOL 8.4: broken frames are answered by name, and JSON inside a field cannot break out of it") {
  const auto malformed = [](const ClientCommand& c) { return std::get_if<Malformed>(&c); };
  for (const std::string& bytes :
       {std::string("\xff\xff"), std::string("{\"type\":\"bye\"}"), std::string("\x0a\x7f"), std::string()}) {
    const auto command = parse_command(Door::proto, bytes, kMax);
    REQUIRE(malformed(command) != nullptr);
    CHECK(malformed(command)->error.code == Errc::invalid_argument);
  }
  v1::ClientFrame f;
  f.mutable_publish()->set_ref("p");
  f.mutable_publish()->mutable_update()->set_key("I");
  auto& incident = *f.mutable_publish()->mutable_update()->mutable_incident();
  for (const char* bad : {"", "{", R"({}, "title":"x")", "nul"}) {
    incident.set_metadata_json(bad);
    const auto command = parsed(f);
    REQUIRE(malformed(command) != nullptr);
    CHECK(malformed(command)->ref == "p");
  }
  incident.clear_metadata_json();
  incident.set_other_json("[]");
  CHECK(malformed(parsed(f)) != nullptr);
  f.mutable_subscribe()->set_id("a");
  const auto no_channel = parsed(f);
  REQUIRE(malformed(no_channel) != nullptr);
  CHECK(malformed(no_channel)->id == "a");
}

}  // namespace
}  // namespace tocsin::edge
