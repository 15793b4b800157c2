#include "broker/fanout/traffic_totals.h"

#include <doctest/doctest.h>

namespace tocsin::broker {
namespace {

link::Traffic traffic(std::uint64_t opened, std::uint64_t day, std::uint64_t today) {
  link::Traffic t;
  t.opened = opened;
  t.day = day;
  t.opened_today = today;
  t.lasted_ms = 100;
  t.lasted_count = 1;
  return t;
}

TEST_SUITE("broker.traffic") {
  TEST_CASE("what edges did adds up, their earlier lives included, and the newest day counts") {
    TrafficTotals totals;
    CHECK(totals.sum().opened == 0);
    totals.told("a", 1, traffic(10, 5, 10));
    totals.told("a", 1, traffic(12, 5, 12));
    totals.told("b", 7, traffic(3, 5, 3));
    CHECK(totals.sum().opened == 15);
    CHECK(totals.sum().opened_today == 15);
    CHECK(totals.sum().lasted_count == 2);
    totals.told("a", 2, traffic(1, 5, 1));  // started anew
    CHECK(totals.sum().opened == 16);
    CHECK(totals.sum().opened_today == 16);
    CHECK(totals.sum().lasted_count == 2);
    totals.told("b", 7, traffic(4, 6, 1));  // its day has begun
    CHECK(totals.sum().opened == 17);
    CHECK(totals.sum().opened_today == 1);
    CHECK(totals.sum().day == 6);
  }

  TEST_CASE("names that never come back do not pile up, and are not forgotten in the sum") {
    TrafficTotals totals;
    for (int i = 0; i < 5'000; ++i) totals.told("edge-" + std::to_string(i), 1, traffic(1, 5, 1));
    CHECK(totals.sum().opened == 5'000);
  }
}

}  // namespace
}  // namespace tocsin::broker
