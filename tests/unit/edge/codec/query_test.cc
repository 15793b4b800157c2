#include "edge/codec/query.h"

#include <doctest/doctest.h>

#include "edge/codec/client_command.h"

namespace tocsin::edge {
namespace {

TEST_CASE("percent-decoding takes escapes and refuses broken ones, NUL and bad UTF-8") {
  CHECK(percent_decode("a%2Fb%20c+d", Plus::literal) == "a/b c+d");
  CHECK(percent_decode("a+b", Plus::space) == "a b");
  CHECK(percent_decode("%C3%A9", Plus::literal) == "\xC3\xA9");
  for (const auto* bad : {"%", "%4", "%zz", "%00", "%ff", "a%C3"}) {
    CAPTURE(bad);
    CHECK_FALSE(percent_decode(bad, Plus::literal));
  }
}

TEST_CASE("a query is split and decoded; a bomb of members is refused") {
  const auto q = parse_query("a=1&b=%26&&c&d=x=y");
  REQUIRE(q);
  CHECK(q->size() == 4);
  CHECK(*find(*q, "b") == "&");
  CHECK(find(*q, "c")->empty());
  CHECK(*find(*q, "d") == "x=y");
  CHECK(find(*q, "e") == nullptr);
  std::string bomb;
  for (int i = 0; i < 1000; ++i) bomb += "a=b&";
  CHECK_FALSE(parse_query(bomb));
}

TEST_CASE("PROTOCOL 6.2: a filter in a query means what the same filter in JSON means") {
  const auto q = parse_query("severity=P1,P0&severity=P2&label.service=api,db&active=true&other=1");
  REQUIRE(q);
  const auto f = filter_of(*q);
  REQUIRE(f);
  const auto json =
      Filter::parse(R"({"severity":["P0","P1","P2"],"labels":{"service":["api","db"]},"active":true})");
  REQUIRE(json);
  CHECK(f->canonical() == json->canonical());
  CHECK_FALSE(filter_of(*parse_query("active=perhaps")));
}

TEST_CASE("PROTOCOL 6.5: GET /v1/events: channel, options and Last-Event-ID") {
  const auto s =
      parse_event_query("channel=a%2Fb&severity=P0&snapshot=true&conflate=false", "00000000000000ab:17");
  REQUIRE(s);
  CHECK(s->channel == "a/b");
  CHECK(s->filter.severity == std::vector<std::string>{"P0"});
  CHECK(s->snapshot);
  CHECK(s->conflate == Conflate::never);
  REQUIRE(s->since);
  CHECK_FALSE(s->since->malformed);
  CHECK(s->since->position == Position{Epoch{0xab}, 17});
  CHECK(parse_event_query("", "")->channel == "incidents");
  CHECK(parse_event_query("", "nonsense")->since->malformed);
  CHECK_FALSE(parse_event_query("channel=a%20b", ""));
}

}  // namespace
}  // namespace tocsin::edge
