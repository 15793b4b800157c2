#include "edge/codec/client_command.h"

#include <doctest/doctest.h>

namespace tocsin::edge {
namespace {

constexpr std::size_t kMax = 100'000;

template <typename T>
T expect(std::string_view json) {
  auto command = parse_command(Door::json, json, kMax);
  CAPTURE(json);
  REQUIRE(std::holds_alternative<T>(command));
  return std::get<T>(std::move(command));
}

TEST_CASE("PROTOCOL 3: each command decodes") {
  const auto c = expect<Connect>(
      R"({"type":"connect","token":"t","session":"s","ticket":"x","since":{"a":{"epoch":"00000000000000ff","offset":3},"b":7}})");
  CHECK(c.token == "t");
  CHECK(c.ticket == "x");
  REQUIRE(c.since.size() == 2);
  CHECK(c.since[0].second.position == Position{Epoch{255}, 3});
  CHECK(c.since[1].second.malformed);
  const auto s = expect<Subscribe>(
      R"({"type":"subscribe","id":"a","channel":"t/1","filter":{"severity":["P0"]},"snapshot":true,"since":{"epoch":"0000000000000001","offset":17},"conflate":true,"max_rate":5,"new":1})");
  CHECK(s.channel == "t/1");
  CHECK(s.snapshot);
  CHECK(s.conflate == Conflate::when_behind);
  CHECK(s.max_rate == 5);
  CHECK(s.since->position.offset == 17);
  CHECK(expect<Subscribe>(R"({"type":"subscribe","id":"a","channel":"c"})").conflate ==
        Conflate::when_stalled);
  CHECK(expect<Unsubscribe>(R"({"type":"unsubscribe","id":"a"})").id == "a");
  CHECK(expect<Ping>(R"({"type":"ping","ref":"x"})").ref == "x");
  CHECK(expect<Refresh>(R"({"type":"refresh","token":"y"})").token == "y");
  expect<Bye>(R"({"type":"bye"})");
  const auto p = expect<PublishOne>(
      R"({"type":"publish","ref":"p1","update":{"channel":"c","incident":{"id":"i","severity":"P1"}}})");
  CHECK(p.ref == "p1");
  CHECK(p.draft.key == "i");
}

TEST_CASE("PROTOCOL 3.4: a since that is no position is remembered as malformed, not refused") {
  for (const auto* since :
       {"7", "\"x\"", "{}", R"({"epoch":"zz","offset":1})", R"({"epoch":"0000000000000001","offset":-1})",
        R"({"epoch":"0000000000000001","offset":"1"})", R"({"epoch":1,"offset":1})"}) {
    CAPTURE(since);
    const auto s = expect<Subscribe>(std::string(R"({"type":"subscribe","id":"a","channel":"c","since":)") +
                                     since + "}");
    REQUIRE(s.since);
    CHECK(s.since->malformed);
  }
  CHECK_FALSE(expect<Subscribe>(R"({"type":"subscribe","id":"a","channel":"c","since":null})").since);
}

TEST_CASE("PROTOCOL 2.5: what is not understood says which frame it was") {
  const auto m = expect<Malformed>(R"({"type":"subscribe","id":"a","channel":7})");
  CHECK(m.id == "a");
  CHECK(m.error.code == Errc::invalid_argument);
  CHECK(m.error.detail.find("channel") != std::string::npos);
  CHECK(expect<Malformed>(R"({"type":"publish","ref":"p9","update":{}})").ref == "p9");
  CHECK(expect<Malformed>(R"({"type":"dance","ref":"r"})").ref == "r");
}

TEST_CASE("bad input is refused, never fatal") {
  const std::string deep(100'000, '[');
  const std::string long_id(kMaxClientText + 1, 'i');
  for (const std::string& bad :
       {std::string(), std::string("x"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string("{\"type\":7}"), std::string("{\"type\":\"ping\"}x"),
        std::string("{\"type\":\"ping\",\"ref\":\"\xff\"}"), deep, "{\"type\":\"ping\",\"x\":" + deep,
        std::string(R"({"type":"subscribe"})"), std::string(R"({"type":"subscribe","id":"","channel":"c"})"),
        std::string(R"({"type":"subscribe","id":"a","channel":"a b"})"),
        R"({"type":"subscribe","id":")" + long_id + R"(","channel":"c"})",
        std::string(R"({"type":"subscribe","id":"a","channel":"c","filter":7})"),
        std::string(R"({"type":"subscribe","id":"a","channel":"c","snapshot":1})"),
        std::string(R"({"type":"subscribe","id":"a","channel":"c","max_rate":99999999999})"),
        std::string(R"({"type":"connect","since":[]})"), std::string(R"({"type":"publish","update":7})")}) {
    CAPTURE(bad.substr(0, 80));
    CHECK(std::holds_alternative<Malformed>(parse_command(Door::json, bad, kMax)));
  }
  const std::string big =
      R"({"type":"publish","ref":"p","update":{"channel":"c","event":{"name":"n","data":")" +
      std::string(kMax, 'x') + "\"}}}";
  CHECK(expect<Malformed>(big).error.code == Errc::too_large);
}

}  // namespace
}  // namespace tocsin::edge
