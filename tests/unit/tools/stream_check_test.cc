// The load generator's own judge: a benchmark is worth nothing if it cannot see a stream that is not whole.
#include "tools/loadgen/stream_check.h"

#include <doctest/doctest.h>

#include <string>

using tocsin::loadgen::StreamCheck;
using tocsin::loadgen::Totals;

namespace {

std::string subscribed(std::uint64_t offset, const std::string& outcome = "live") {
  return R"({"type":"subscribed","id":"a","sub":7,"channel":"c","position":{"epoch":"00aa","offset":)" +
         std::to_string(offset) + R"(},"outcome":")" + outcome + "\"}";
}
std::string update(std::uint64_t offset, const std::string& replaces = "") {
  return R"({"type":"update","sub":7,"offset":)" + std::to_string(offset) +
         (replaces.empty() ? "" : ",\"replaces\":[" + replaces + "]") +
         R"(,"event":{"name":"load","data":{"t":5,"n":)" + std::to_string(offset) + "}}}";
}
std::string skip(std::uint64_t from, std::uint64_t to) {
  return R"({"type":"skip","sub":7,"from":)" + std::to_string(from) + ",\"to\":" + std::to_string(to) + "}";
}

/// What a stream of these frames comes to.
Totals judged(std::initializer_list<std::string> frames) {
  StreamCheck check;
  Totals totals;
  for (const auto& frame : frames) check.take(frame, totals);
  check.finish(totals);
  return totals;
}

}  // namespace

TEST_CASE("updates and skips in order are whole") {
  const auto t = judged({subscribed(3), update(4), skip(5, 8), update(9)});
  CHECK(t.updates == 2);
  CHECK(t.skipped == 4);
  CHECK(t.gaps == 0);
  CHECK(t.duplicates == 0);
}

TEST_CASE("a missing offset is a gap, at the beginning as well") {
  CHECK(judged({subscribed(3), update(4), update(6)}).gaps == 1);
  CHECK(judged({subscribed(3), update(6)}).gaps == 2);
  CHECK(judged({subscribed(3), skip(5, 6)}).gaps == 1);
}

TEST_CASE("an offset told twice is a duplicate") {
  CHECK(judged({subscribed(3), update(4), update(4)}).duplicates == 1);
  CHECK(judged({subscribed(3), update(4), skip(4, 6)}).duplicates == 1);
  CHECK(judged({subscribed(3), update(3)}).duplicates == 1);
}

TEST_CASE("an update that comes late does not fill its hole: disorder is a gap and a duplicate") {
  const auto t = judged({subscribed(0), update(1), update(3), update(2)});
  CHECK(t.gaps == 1);
  CHECK(t.duplicates == 1);
}

TEST_CASE("what a conflated update replaces was told") {
  const auto t = judged({subscribed(0), update(5, "1,3"), update(6, "2,4"), update(7)});
  CHECK(t.gaps == 0);
  CHECK(t.duplicates == 0);
  CHECK(t.conflated == 4);
  SUBCASE("but not twice") { CHECK(judged({subscribed(0), update(1), update(3, "1,2")}).duplicates == 1); }
  SUBCASE("and no more than it names") { CHECK(judged({subscribed(0), update(5, "1,2,4")}).gaps == 1); }
}

TEST_CASE("how a stream goes on after a reconnect is judged") {
  CHECK(judged({subscribed(0), update(1), subscribed(1, "resumed"), update(2)}).resumed == 1);
  CHECK(judged({subscribed(0), update(1), subscribed(3, "resumed"), update(4)}).gaps == 2);
  CHECK(judged({subscribed(0), update(1), subscribed(9, "snapshot"), update(10)}).restarted == 1);
  CHECK(judged({subscribed(0), update(1), subscribed(9, "lost")}).lost == 1);
}

TEST_CASE("the first message of a share may have any number") {
  StreamCheck check;
  Totals totals;
  check.take_sequence(R"({"t":1,"n":5})", 1'000, totals);
  check.take_sequence(R"({"t":1,"n":1005})", 1'000, totals);
  CHECK(totals.gaps + totals.duplicates == 0);
}

TEST_CASE("a server without offsets is held to the publisher's sequence") {
  StreamCheck check;
  Totals totals;
  for (const auto* payload : {R"({"t":1,"n":1})", R"({"t":1,"n":3})", R"({"t":1,"n":5})", R"({"t":1,"n":7})",
                              R"({"t":1,"n":9})", R"({"t":1,"n":11})"})
    CHECK(check.take_sequence(payload, 2, totals) == 1);
  CHECK(totals.gaps == 0);
  CHECK(totals.duplicates == 0);
  check.take_sequence(R"({"t":1,"n":17})", 2, totals);
  CHECK(totals.gaps == 2);
  check.take_sequence(R"({"t":1,"n":15})", 2, totals);
  CHECK(totals.duplicates == 1);
  CHECK(check.take_sequence("{}", 2, totals) == 0);
}
