#include "edge/net/admission.h"

#include <doctest/doctest.h>

#include "tests/unit/edge/link/rig.h"

namespace tocsin::edge {
namespace {

using Verdict = Admission::Verdict;

TEST_CASE(
    "edge net: a second's worth is served at once, as much again refused, then the door is shut until time passes") {
  ManualClock clock;
  Admission admission(clock, 10);
  for (int i = 0; i < 10; ++i) CHECK((admission.open() && admission.arrived() == Verdict::serve));
  for (int i = 0; i < 10; ++i) CHECK((admission.open() && admission.arrived() == Verdict::refuse));
  CHECK_FALSE(admission.open());
  clock.pass(Millis{100});
  CHECK(admission.open());
  CHECK(admission.arrived() == Verdict::serve);
  CHECK(admission.arrived() == Verdict::refuse);
  CHECK_FALSE(admission.open());
  clock.pass(Millis{60'000});
  for (int i = 0; i < 10; ++i) CHECK(admission.arrived() == Verdict::serve);
  CHECK(admission.arrived() == Verdict::refuse);
}

TEST_CASE("edge net: those refused are told to come back one after the other, as there will be room") {
  ManualClock clock;
  Admission admission(clock, 10);
  std::int64_t told[100];
  for (auto& seconds : told) seconds = admission.retry_after();
  CHECK(told[0] == 1);
  CHECK(told[9] == 1);
  CHECK(told[10] == 2);
  CHECK(told[99] == 10);
  clock.pass(Millis{5'000});
  CHECK(admission.retry_after() == 6);
  clock.pass(Millis{60'000});
  CHECK(admission.retry_after() == 1);
  for (int i = 0; i < 1'000; ++i) (void)admission.retry_after();
  CHECK(admission.retry_after() == 30);
}

TEST_CASE("edge net: without a rate everybody is served") {
  ManualClock clock;
  Admission admission(clock, 0);
  for (int i = 0; i < 100'000; ++i) CHECK((admission.open() && admission.arrived() == Verdict::serve));
  CHECK(admission.retry_after() == 1);
}

}  // namespace
}  // namespace tocsin::edge
