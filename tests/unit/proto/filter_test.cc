#include "proto/filter.h"

#include <doctest/doctest.h>

namespace tocsin {
namespace {

Update incident_update(std::string json, bool ends = false) {
  Update u;
  u.kind = "updated";
  u.key = "I1";
  u.incident = std::move(json);
  u.ends = ends;
  return u;
}

TEST_SUITE("Filter") {
  TEST_CASE("what a filter is within holds whatever else it says, and is not a client's to set") {
    const auto facts = [](const char* labels) {
      return facts_of(incident_update(R"({"id":"I1","team":"core","labels":)" + std::string(labels) + "}"));
    };
    Filter filter = *Filter::parse(R"({"within":{"team":["core"]}})");
    CHECK(filter.within.empty());
    filter.within = {{"label.tenant", {"a", "b"}}, {"team", {"core", "web"}}};
    filter.normalise();
    CHECK_FALSE(filter.empty());
    CHECK(filter.matches(facts(R"({"tenant":"a"})")));
    CHECK_FALSE(filter.matches(facts(R"({"tenant":"c"})")));
    CHECK_FALSE(filter.matches(facts(R"({})")));
    CHECK_FALSE(filter.matches(facts(R"({"tenant":["a"]})")));
    CHECK_FALSE(filter.matches(facts(R"({"tenant":"a","tenant":"c"})")));
    CHECK_FALSE(filter.matches_state(facts_of_incident("I1", R"({"labels":{"tenant":"a"}})")));
    Update event;
    event.event_name = "tenant";
    CHECK_FALSE(filter.matches(facts_of(event)));
    const auto again = Filter::parse_canonical(filter.canonical());
    REQUIRE(again);
    CHECK(again->within == filter.within);
    filter.within = {{"label.tenant", {}}};
    CHECK_FALSE(filter.matches(facts(R"({"tenant":""})")));
    CHECK(Filter::parse_canonical(filter.canonical())->within == filter.within);
    for (const char* bad :
         {R"({"within":[]})", R"({"within":{"status":["open"]}})", R"({"within":{"team":"a"}})"})
      CHECK_FALSE(Filter::parse_canonical(bad));
  }

  TEST_CASE("members are ANDed, lists ORed, absent restricts nothing") {
    const auto facts = facts_of(incident_update(
        R"({"id":"I1","severity":"P1","status":"investigating","labels":{"service":"api"},"team":"core"})"));
    struct Row {
      const char* filter;
      bool expect;
    };
    const Row rows[] = {
        {"{}", true},
        {R"({"severity":["P0","P1"]})", true},
        {R"({"severity":["P0"]})", false},
        {R"({"severity":["P1"],"team":["other"]})", false},
        {R"({"severity":[],"labels":{"service":["db","api"]}})", true},
        {R"({"labels":{"service":["db"]}})", false},
        {R"({"labels":{"region":["eu"]}})", false},
        {R"({"incident":["I1"]})", true},
        {R"({"kind":["created"]})", false},
        {R"({"active":true})", true},
    };
    for (const Row& row : rows) {
      CAPTURE(row.filter);
      const auto filter = Filter::parse(row.filter);
      REQUIRE(filter);
      CHECK(filter->matches(facts) == row.expect);
    }
  }

  TEST_CASE("active keeps the update that ends an incident and drops what follows") {
    const auto filter = Filter::parse(R"({"active":true})");
    REQUIRE(filter);
    CHECK(filter->matches(facts_of(incident_update(R"({"status":"resolved"})", true))));
    CHECK_FALSE(filter->matches(facts_of(incident_update(R"({"status":"closed"})", false))));
    CHECK_FALSE(filter->matches_state(facts_of_incident("I1", R"({"status":"closed"})")));
  }

  TEST_CASE("canonical text does not depend on order or repetition") {
    const auto a = Filter::parse(R"({"severity":["P1","P0","P1"],"labels":{"b":["2"],"a":["1"],"c":[]}})");
    const auto b = Filter::parse(R"({"labels":{"a":["1"],"b":["2"]},"severity":["P0","P1"]})");
    REQUIRE(a);
    REQUIRE(b);
    CHECK(a->canonical() == b->canonical());
    const auto again = Filter::parse(a->canonical());
    REQUIRE(again);
    CHECK(again->canonical() == a->canonical());
  }

  TEST_CASE("what is not a filter is refused and names the member") {
    for (const char* bad : {"[]", R"({"severity":"P0"})", R"({"severity":[1]})", R"({"labels":[]})",
                            R"({"labels":{"a":"x"}})", R"({"active":"yes"})"}) {
      CAPTURE(bad);
      CHECK_FALSE(Filter::parse(bad));
    }
  }
}

TEST_SUITE("Draft") {
  TEST_CASE("a publish is read, and every defect is named") {
    const auto good = parse_draft(R"({"event_id":"e","kind":"created","incident":{"id":"I1","title":"t"}})",
                                  "incidents", 4096);
    REQUIRE(good);
    CHECK(good->key == "I1");
    CHECK(good->channel == "incidents");
    CHECK(good->incident == R"({"id":"I1","title":"t"})");
    struct Row {
      const char* json;
      const char* part;
    };
    const Row rows[] = {
        {"{", "JSON at byte"},
        {"[]", "object"},
        {"{}", "one of"},
        {R"({"incident":{}})", "\"key\""},
        {R"({"key":"a","incident":{"id":"b"}})", "differs"},
        {R"({"key":7,"incident":{}})", "\"key\" must be a string"},
        {R"({"key":"a","at":"yesterday","incident":{}})", "RFC 3339"},
        {R"({"key":"a","channel":"a b","incident":{}})", "\"channel\""},
        {R"({"event":{"data":1}})", "event.name"},
        {"{\"key\":\"\xff\",\"incident\":{}}", "JSON at byte"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.json);
      const auto bad = parse_draft(row.json, "incidents", 4096);
      REQUIRE_FALSE(bad);
      CHECK(bad.error().detail.find(row.part) != std::string::npos);
    }
    CHECK(parse_draft("{}", "incidents", 1).error().code == Errc::too_large);
    const std::string deep = std::string(10'000, '[');
    CHECK(parse_draft(deep, "incidents", 1 << 20).error().detail.find("deeper") != std::string::npos);
  }
}

}  // namespace
}  // namespace tocsin
