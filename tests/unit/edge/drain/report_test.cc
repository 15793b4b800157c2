// The report and its figures.
#include <doctest/doctest.h>

#include "common/json/json.h"
#include "edge/drain/report.h"

namespace tocsin::edge {
namespace {

TEST_CASE("percentiles count those who waited not at all") {
  Blackouts b;
  CHECK(b.percentile(99) == 0);
  for (int i = 0; i < 98; ++i) b.add(Millis{0});
  b.add(Millis{40});
  b.add(Millis{900});
  CHECK(b.percentile(50) == 0);
  CHECK(b.percentile(98) == 0);
  CHECK(b.percentile(99) == 40);
  CHECK(b.longest() == 900);
  b.add(Millis{10});  // added after a look
  CHECK(b.longest() == 900);
}

TEST_CASE("the report is JSON whatever stands in its texts") {
  MoveReport report;
  report.id = "plan \"7\"";
  report.kind = MoveKind::migrate;
  report.edge = "edge-0";
  report.state = MoveState::paused;
  report.paused = "no \"edge\"";
  report.planned = 7;
  report.targets = {{"a\"b", 3}, {"c", 4}};
  const auto doc = json::parse(report_json(report));
  REQUIRE(doc);
  CHECK(**json::string_member(*doc, "id") == "plan \"7\"");
  CHECK(**json::string_member(*doc, "kind") == "migrate");
  CHECK(**json::string_member(*doc, "state") == "paused");
  CHECK(**json::uint_member(*doc, "planned") == 7);
  CHECK(**json::uint_member(*json::find(*doc, "targets"), "a\"b") == 3);
  for (const auto* name : {"offered", "migrated", "resumed", "resumed_snapshot", "lost", "closed", "left",
                           "returned", "remaining", "duplicates_suppressed", "peak_handshakes_per_s",
                           "rate_per_s", "planned_ms", "elapsed_ms", "started_ms"}) {
    CAPTURE(name);
    CHECK(json::uint_member(*doc, name)->has_value());
  }
}

}  // namespace
}  // namespace tocsin::edge
