#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "common/json/json.h"
#include "common/trace/context.h"
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

  TEST_CASE("a traceparent is taken when it is well-formed, not zero, and sampled") {
    const std::string trace = "0af7651916cd43dd8448eb211c80319c", span = "b7ad6b7169203331";
    const std::string ids = trace + "-" + span;
    CHECK(hex(parse_traceparent("00-" + ids + "-01")) == trace + span);
    CHECK(hex(parse_traceparent("00-" + ids + "-03")) == trace + span);  // other flags are of no concern
    CHECK(hex(parse_traceparent("cc-" + ids + "-01")) == trace + span);  // a later version
    CHECK(hex(parse_traceparent("cc-" + ids + "-01-what-else")) == trace + span);
    const std::string zeros(32, '0');
    for (const std::string& bad : {std::string(),
                                   std::string("00"),
                                   "00-" + ids + "-00",
                                   "00-" + ids,
                                   "00-" + ids + "-",
                                   "00-" + ids + "-1",
                                   "00-" + ids + "-01-",
                                   "00-" + ids + "-01x",
                                   "cc-" + ids + "-01x",
                                   "cc-" + ids + "-01.what",
                                   "ff-" + ids + "-01",
                                   "00-" + zeros + "-" + span + "-01",
                                   "00-" + trace + "-" + zeros.substr(16) + "-01",
                                   "00-0AF7651916CD43DD8448EB211C80319C-" + span + "-01",
                                   "00-" + trace + "_" + span + "-01",
                                   "00_" + ids + "-01",
                                   "0g-" + ids + "-01",
                                   "00-" + ids + "-0g",
                                   " 00-" + ids + "-01",
                                   "00-" + trace.substr(1) + "g-" + span + "-01",
                                   std::string(4'096, '0'),
                                   std::string(55, '-')})
      CHECK_MESSAGE(parse_traceparent(bad).empty(), bad);
  }

  TEST_CASE("an update whose publisher brought a trace goes on in it") {
    const std::string context = parse_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    Tracer tracer(1'000'000'000, "tocsin", "edge-0");
    CHECK_FALSE(tracer.sampled("e1", {}));
    CHECK(tracer.sampled("e1", context));
    tracer.add({Stage::publish, "e1", "c", 0, 1, 2, true, {}, context});
    tracer.add({Stage::commit, "e1", "c", 1, 1, 2, false, {}, context});
    tracer.add({Stage::commit, "e1", "c", 1, 1, 2, true, {}, context});
    tracer.add({Stage::deliver, "e1", "c", 1, 1, 2, false, {}, context.substr(0, kTraceIdBytes)});
    const auto doc = json::parse(tracer.take());
    REQUIRE(doc);
    const auto& spans = (*doc)["resourceSpans"][0]["scopeSpans"][0]["spans"];
    const std::vector<std::string> parents{"b7ad6b7169203331", span_id("e1", Stage::publish, {}),
                                           "b7ad6b7169203331", span_id("e1", Stage::commit, {})};
    for (unsigned i = 0; i < 4; ++i) {
      CHECK(json::view(spans[i]["traceId"]) == "0af7651916cd43dd8448eb211c80319c");
      CHECK(json::view(spans[i]["parentSpanId"]) == parents[i]);
    }
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
