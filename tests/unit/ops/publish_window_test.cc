#include "ops/ctl/publish_window.h"

#include <doctest/doctest.h>

namespace tocsin::ops {
namespace {

constexpr Instant kStart{Millis{1000}};
constexpr PublishWindow::Limits kSmall{
    .batch = 2, .batch_bytes = 1 << 20, .waiting = 5, .pause = Millis{200}};

Draft draft(int i) {
  Draft d;
  d.event_id = "e" + std::to_string(i);
  return d;
}
PublishWindow window_with(int drafts, std::uint32_t window = 4) {
  PublishWindow w(kSmall);
  w.set_window(window);
  for (int i = 0; i < drafts; ++i) w.add(draft(i));
  return w;
}
std::string ids(const std::optional<link::Publish>& message) {
  if (!message) return "-";
  std::string out;
  for (const Draft& d : message->drafts) out += d.event_id;
  return out;
}
link::PublishResult answer(const link::Publish& message, std::string fault = {}) {
  link::PublishResult result{message.ref, {}};
  for (const Draft& d : message.drafts) {
    link::PublishOutcome outcome;
    outcome.event_id = d.event_id;
    outcome.fault.code = fault;
    result.outcomes.push_back(outcome);
  }
  return result;
}

TEST_SUITE("PublishWindow") {
  TEST_CASE("batches go out in order, never more unanswered than the window") {
    auto w = window_with(5);
    const auto first = w.next(kStart);
    CHECK(ids(first) == "e0e1");
    CHECK(ids(w.next(kStart)) == "e2e3");
    CHECK(ids(w.next(kStart)) == "-");
    CHECK(w.on_result(answer(*first), kStart + Millis{7}).size() == 2);
    CHECK(ids(w.next(kStart)) == "e4");
    CHECK(w.unanswered() == 3);
  }
  TEST_CASE("a window that is no multiple of the batch is kept to") {
    auto w = window_with(5, 3);
    CHECK(ids(w.next(kStart)) == "e0e1");
    CHECK(ids(w.next(kStart)) == "e2");
    CHECK(ids(w.next(kStart)) == "-");
  }
  TEST_CASE("an outcome carries the draft's number and how long it took") {
    auto w = window_with(2);
    const auto sent = w.next(kStart);
    const auto outcomes = w.on_result(answer(*sent), kStart + Millis{7});
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[1].number == 1);
    CHECK(outcomes[1].took == Millis{7});
    CHECK(w.idle());
  }
  TEST_CASE("after a reconnect everything unanswered goes again, in order, before the rest") {
    auto w = window_with(5);
    const auto lost = w.next(kStart);
    static_cast<void>(w.next(kStart));
    w.on_reconnected();
    CHECK(ids(w.next(kStart)) == "e0e1");
    CHECK(ids(w.next(kStart)) == "e2e3");
    CHECK(w.resent() == 4);
    CHECK(w.on_result(answer(*lost), kStart)
              .empty());  // the old answer comes late: its drafts are answered by the resend
    CHECK(w.unanswered() == 4);
  }
  TEST_CASE("a refusal for now is sent again after the pause, and nothing newer overtakes it") {
    auto w = window_with(5);
    const auto first = w.next(kStart);
    const auto second = w.next(kStart);
    CHECK(w.on_result(answer(*first, "unavailable"), kStart).empty());
    CHECK(ids(w.next(kStart + Millis{300})) == "-");  // the second message is still out
    CHECK(w.on_result(answer(*second, "disk_full"), kStart + Millis{300}).empty());
    CHECK(ids(w.next(kStart + Millis{400})) == "-");
    CHECK(ids(w.next(kStart + Millis{500})) == "e0e1");
    CHECK(ids(w.next(kStart + Millis{500})) == "e2e3");
  }
  TEST_CASE("a refusal for good is an outcome") {
    auto w = window_with(1);
    const auto sent = w.next(kStart);
    const auto outcomes = w.on_result(answer(*sent, "invalid_argument"), kStart);
    REQUIRE(outcomes.size() == 1);
    CHECK(outcomes[0].outcome.fault.code == "invalid_argument");
    CHECK(w.idle());
  }
  TEST_CASE("an answer that is too short does not lose the rest") {
    auto w = window_with(2);
    auto sent = w.next(kStart);
    auto half = answer(*sent);
    half.outcomes.pop_back();
    CHECK(w.on_result(half, kStart).size() == 1);
    CHECK(ids(w.next(kStart + Millis{200})) == "e1");
  }
  TEST_CASE("it says when no more should be added") {
    auto w = window_with(4);
    CHECK_FALSE(w.full());
    w.add(draft(4));
    CHECK(w.full());
  }
}

}  // namespace
}  // namespace tocsin::ops
