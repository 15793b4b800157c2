#include "ops/ctl/servicenow.h"

#include <doctest/doctest.h>

#include "common/json/json.h"
#include "common/rfc3339.h"

namespace tocsin::ops {
namespace {

const std::vector<std::string> kHeader{"number",   "incident_state", "sys_updated_at",   "sys_updated_by",
                                       "priority", "category",       "assignment_group", "assigned_to",
                                       "location", "resolved_at",    "closed_code"};

struct RowOf {
  std::string state = "New", at = "29/2/2016 01:23", priority = "3 - Moderate", group = "Group 1",
              person = "?", number = "INC1";
  [[nodiscard]] std::vector<std::string> fields() const {
    return {number, state,  at,           "Updated by 2",   priority, "Category 5",
            group,  person, "Location 9", "1/3/2016 09:00", "code 5"};
  }
};

ServiceNowMapper mapper() { return {*ServiceNowColumns::parse(kHeader), "incidents"}; }
std::string kind_after(const RowOf& before, const RowOf& now) {
  auto m = mapper();
  REQUIRE(m.map(before.fields()));
  return m.map(now.fields())->kind;
}

TEST_SUITE("ServiceNow") {
  TEST_CASE("times are day/month/year hour:minute, taken as UTC") {
    CHECK(rfc3339(*parse_servicenow_time("29/2/2016 01:23")) == "2016-02-29T01:23:00.000Z");
    CHECK(rfc3339(*parse_servicenow_time("1/12/2016 23:59")) == "2016-12-01T23:59:00.000Z");
    for (const char* bad : {"", "?", "30/2/2016 01:23", "2016-02-29 01:23", "1/1/2016", "1/1/2016 24:00",
                            "1/13/2016 1:00", "1/1/2016 1:00 x", "-1/1/2016 1:00"}) {
      CAPTURE(bad);
      CHECK_FALSE(parse_servicenow_time(bad));
    }
  }
  TEST_CASE("a row becomes a whole incident; missing fields stay out") {
    const auto draft = mapper().map(RowOf{}.fields());
    REQUIRE(draft);
    CHECK(draft->key == "INC1");
    CHECK(draft->kind == "created");
    CHECK(draft->actor == "Updated by 2");
    CHECK(draft->at == "2016-02-29T01:23:00.000Z");
    CHECK(draft->incident ==
          R"({"title":"Category 5","severity":"P2","status":"detected","category":"Category 5",)"
          R"("source":"servicenow","environment":"production","team":"Group 1","assignees":[],)"
          R"("labels":{"location":"Location 9"},"metadata":{}})");
    REQUIRE(json::parse(draft->incident));
  }
  TEST_CASE("a later row says only what changed") {
    auto m = mapper();
    REQUIRE(m.map(RowOf{}.fields()));
    CHECK(m.map(RowOf{.state = "Active"}.fields())->incident == R"({"status":"investigating"})");
    CHECK(m.map(RowOf{.state = "Resolved"}.fields())->incident ==
          R"({"status":"resolved","resolution":{"code":"code 5","at":"2016-03-01T09:00:00.000Z"}})");
  }
  TEST_CASE("every state of the log has a status") {
    const std::pair<const char*, const char*> rows[] = {{"New", "detected"},
                                                        {"Active", "investigating"},
                                                        {"Awaiting User Info", "triaged"},
                                                        {"Awaiting Problem", "identified"},
                                                        {"Awaiting Vendor", "escalated"},
                                                        {"Awaiting Evidence", "monitoring"},
                                                        {"Resolved", "resolved"},
                                                        {"Closed", "closed"},
                                                        {"-100", "detected"}};
    for (const auto& [state, status] : rows) {
      CAPTURE(state);
      const auto draft = mapper().map(RowOf{.state = state}.fields());
      REQUIRE(draft);
      CHECK(draft->incident.find("\"status\":\"" + std::string(status) + "\"") != std::string::npos);
    }
  }
  TEST_CASE("-100 leaves the status as it was") {
    auto m = mapper();
    REQUIRE(m.map(RowOf{.state = "Active"}.fields()));
    const auto draft = m.map(RowOf{.state = "-100"}.fields());
    CHECK(draft->incident == "{}");
    CHECK(draft->kind == "updated");
  }
  TEST_CASE("the kind follows from the row before") {
    CHECK(kind_after({}, {.state = "Active"}) == "state_changed");
    CHECK(kind_after({}, {.person = "Resolver 1"}) == "assigned");
    CHECK(kind_after({}, {.group = "Group 2"}) == "assigned");
    CHECK(kind_after({}, {.priority = "1 - Critical"}) == "escalated");
    CHECK(kind_after({}, {.priority = "4 - Low"}) == "updated");
    CHECK(kind_after({}, {.state = "Awaiting Vendor"}) == "escalated");
    CHECK(kind_after({}, {.state = "Resolved"}) == "resolved");
    CHECK(kind_after({.state = "Resolved"}, {.state = "Closed"}) == "closed");
    CHECK(kind_after({.state = "Closed"}, {.state = "Active"}) == "reopened");
    CHECK(kind_after({.state = "Closed"}, {.state = "Closed"}) == "updated");
    CHECK(kind_after({}, {.number = "INC2"}) == "created");
  }
  TEST_CASE("the event_id is the row's own in every replay, and no other row's") {
    auto first = mapper();
    auto second = mapper();
    REQUIRE(second.map(RowOf{.state = "Active", .number = "INC7"}.fields()));
    CHECK(first.map(RowOf{}.fields())->event_id == second.map(RowOf{}.fields())->event_id);
    CHECK(first.map(RowOf{}.fields())->event_id !=
          first.map(RowOf{.person = "Resolver 1"}.fields())->event_id);
  }
  TEST_CASE("a row that cannot be understood names its column and is forgotten") {
    auto m = mapper();
    CHECK(m.map(RowOf{.state = "Sleeping"}.fields()).error().detail ==
          "incident_state \"Sleeping\" is not known");
    CHECK(m.map(RowOf{.at = "yesterday"}.fields()).error().detail.starts_with("sys_updated_at: "));
    CHECK(m.map(RowOf{.priority = "urgent"}.fields()).error().detail == "priority \"urgent\" is not 1 to 4");
    CHECK(m.map(RowOf{.number = "?"}.fields()).error().detail == "number is missing or too long");
    CHECK(m.map(RowOf{.group = "\xFF"}.fields()).error().detail == "a field is not UTF-8");
    CHECK(m.map({"INC1"}).error().detail == "1 fields instead of 11");
    CHECK(m.map(RowOf{}.fields())->kind == "created");
  }
  TEST_CASE("a file of something else is refused at its header") {
    CHECK(ServiceNowColumns::parse({"a", "b"}).error().detail ==
          "the header has no column \"number\": not a ServiceNow incident log");
  }
}

}  // namespace
}  // namespace tocsin::ops
