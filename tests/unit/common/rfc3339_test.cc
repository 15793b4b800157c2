#include "common/rfc3339.h"

#include <doctest/doctest.h>

namespace tocsin {
namespace {

TEST_SUITE("common.rfc3339") {
  TEST_CASE("what is printed parses back to the same millisecond") {
    for (const std::int64_t ms :
         {0LL, 1LL, 999LL, 951'827'696'789LL, 1'767'312'245'678LL, 253'402'300'799'999LL, -1LL}) {
      CAPTURE(rfc3339(ms));
      CHECK(parse_rfc3339(rfc3339(ms)) == ms);
    }
    CHECK(rfc3339(1'767'312'245'678) == "2026-01-02T00:04:05.678Z");
  }
  TEST_CASE("offsets and fractions are understood") {
    CHECK(parse_rfc3339("1970-01-01T01:00:00+01:00") == 0);
    CHECK(parse_rfc3339("1969-12-31T19:30:00-04:30") == 0);
    CHECK(parse_rfc3339("1970-01-01t00:00:00.1z") == 100);
    CHECK(parse_rfc3339("1970-01-01T00:00:00.123456789Z") == 123);
  }
  TEST_CASE("a leap second is the next second") { CHECK(parse_rfc3339("1970-01-01T00:00:60Z") == 60'000); }
  TEST_CASE("what is no date-time is refused") {
    for (const auto* text :
         {"", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z",
          "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z",
          "2026-01-02T03:04:05+0100", "2026-01-02T03:04:05+24:00", "2026-01-02T03:04:05Zx",
          "2026-01-02 03:04:05Z", "+026-01-02T03:04:05Z", "2026-01-02T03:04:05.5"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_rfc3339(text));
    }
  }
}

}  // namespace
}  // namespace tocsin
