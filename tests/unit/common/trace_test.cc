#include <doctest/doctest.h>

#include <string>

#include "common/json/json.h"
#include "common/trace/tracer.h"

namespace tocsin::trace {
namespace {

TEST_SUITE("common.trace") {
  TEST_CASE("what is traced, and under which ids, follows from the event_id alone") {
    const Tracer a(4, "tocsin", "edge-0");
    const Tracer b(4, "other", "broker");
    int chosen = 0;
    for (int i = 0; i < 4'000; ++i) {
      const std::string id = "update-" + std::to_string(i);
      CHECK(a.sampled(id) == b.sampled(id));
      chosen += a.sampled(id) ? 1 : 0;
    }
    CHECK(chosen > 800);
    CHECK(chosen < 1'200);
    CHECK(trace_id("x").size() == 32);
    CHECK(trace_id("x") != trace_id("y"));
    CHECK(span_id("x", Stage::commit, "a") == span_id("x", Stage::commit, "b"));
    CHECK(span_id("x", Stage::deliver, "a") != span_id("x", Stage::deliver, "b"));
    CHECK(span_id("x", Stage::publish, {}) != span_id("x", Stage::commit, {}));
  }

  TEST_CASE("what waits is taken as one OTLP request, once") {
    Tracer tracer(1, "svc\"", "edge-0");
    CHECK(tracer.take().empty());
    tracer.add({Stage::publish, "e\xff", "c", 0, 10, 5, true, "overloaded"});
    tracer.add({Stage::deliver, "e1", "c", 7, 1'000, 2'000, false, {}});
    const auto doc = json::parse(tracer.take());
    REQUIRE(doc);
    const auto& spans = (*doc)["resourceSpans"][0]["scopeSpans"][0]["spans"];
    REQUIRE(spans.Size() == 2);
    CHECK(json::view(spans[0]["endTimeUnixNano"]) == "10000");  // never before its start
    CHECK(spans[0]["status"]["code"].GetInt() == 2);
    CHECK_FALSE(spans[0].HasMember("parentSpanId"));
    CHECK(json::view(spans[1]["parentSpanId"]) == span_id("e1", Stage::commit, {}));
    CHECK(json::view(spans[1]["startTimeUnixNano"]) == "1000000");
    CHECK(tracer.take().empty());
  }

  TEST_CASE("spans that nobody takes are bounded") {
    Tracer tracer(1, "tocsin", "edge-0");
    for (std::size_t i = 0; i < Tracer::kMaxSpans + 5; ++i)
      tracer.add({Stage::commit, "e", "c", 1, 1, 2, true, {}});
    CHECK(tracer.waiting() == Tracer::kMaxSpans);
    CHECK(tracer.dropped() == 5);
  }
}

}  // namespace
}  // namespace tocsin::trace
