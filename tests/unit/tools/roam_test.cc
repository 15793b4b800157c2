// The clients that judge a drain: they must see what is lost or comes twice.
#include <doctest/doctest.h>

#include "tools/loadgen/roam/frames.h"
#include "tools/loadgen/roam/story.h"
#include "tools/loadgen/roam/tally.h"

using namespace tocsin::loadgen;
using namespace tocsin::loadgen::roam;

TEST_CASE("a story over two sockets: each offset once, what comes again is a repeat") {
  Story story;
  story.begins({"e1", 5});
  CHECK(story.tell(6, 6) == Story::Told::news);
  story.begins({"e1", 5});  // the second socket resumes behind the first
  CHECK(story.tell(6, 6) == Story::Told::repeat);
  CHECK(story.tell(7, 9) == Story::Told::news);  // a skip
  CHECK(story.tell(7, 7) == Story::Told::repeat);
  CHECK(story.position().offset == 9);
  CHECK(story.missed() == 0);
  CHECK(story.restarts() == 0);
}

TEST_CASE("a story tells holes, streams that begin ahead, and another epoch") {
  Story story;
  story.begins({"e1", 5});
  story.tell(8, 8);
  CHECK(story.missed() == 2);
  story.begins({"e1", 10});
  CHECK(story.missed() == 4);
  story.begins({"e2", 1});
  CHECK(story.restarts() == 1);
  CHECK(story.position().offset == 1);
}

TEST_CASE("the publisher's numbers: twice and lost show even where offsets agree") {
  Story story;
  for (const std::uint64_t n : {1U, 2U, 4U, 4U}) story.number(n);
  CHECK(story.twice() == 1);
  CHECK(story.numbers() == 3);
  CHECK(story.lost({false, true, true, true, true}) == 1);
  CHECK(story.lost({false, true, true, false, true}) == 0);  // 3 was never acknowledged
  CHECK(story.lost(std::vector<bool>(7, true)) == 4);        // 0, 3, 5 and 6
}

TEST_CASE("an offer to move is read in any order of members") {
  const auto offer = migration_of(
      R"({"type":"status","status":"migrating","details":{"new_endpoint":"ws://127.0.0.1:8081/v1/stream","reconnect_after":40,"resume_token":"t.1","deadline":5000}})");
  REQUIRE(offer);
  CHECK(offer->target.host == "127.0.0.1");
  CHECK(offer->target.port == 8081);
  CHECK(offer->ticket == "t.1");
  CHECK(offer->wait.count() == 40);
  CHECK(offer->deadline.count() == 5000);
  CHECK_FALSE(migration_of(R"({"type":"status","status":"migrating"})"));
}

TEST_CASE("endpoints, with and without a scheme; anything else is none") {
  CHECK(parse_endpoint("http://10.0.0.1:80")->port == 80);
  CHECK(parse_endpoint("127.0.0.1:8080")->host == "127.0.0.1");
  for (const char* bad :
       {"", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:8x", "127.0.0.1:99999"})
    CHECK_FALSE(parse_endpoint(bad));
}

TEST_CASE("frames that a client says") {
  CHECK(connect_frame("", {"e", 3}) == R"({"type":"connect"})");
  CHECK(connect_frame("t", {}) == R"({"type":"connect","ticket":"t"})");
  CHECK(connect_frame("t", {"e", 3}) ==
        R"({"type":"connect","ticket":"t","since":{"a":{"epoch":"e","offset":3}}})");
  CHECK(connect_frame("t", {}, "x.y.z") == R"({"type":"connect","token":"x.y.z","ticket":"t"})");
  CHECK(refresh_frame("x.y.z") == R"({"type":"refresh","token":"x.y.z"})");
  CHECK(bye_frame(2) == R"({"type":"bye","duplicates":2})");
}

TEST_CASE("attempts: the peak is that of a tenth of a second, the mean that from first to last") {
  using std::chrono::milliseconds;
  Attempts attempts;
  CHECK(attempts.peak() == 0);
  const Clock::time_point start{};
  for (const int at : {0, 10, 20, 950}) attempts.record(start + milliseconds{at});
  CHECK(attempts.total() == 4);
  CHECK(attempts.peak() == 30);
  CHECK(attempts.mean() == 4);
}
