#include "tools/loadgen/workload.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "tools/loadgen/stream_check.h"

using namespace tocsin::loadgen;

TEST_CASE("every update is due to exactly the listeners of its share") {
  Workload w({.connections = 10, .stalled = 2, .channels = 4});
  std::uint64_t deliveries = 0;
  for (std::uint64_t n = 0; n < 9; ++n) deliveries += w.matches(n);
  std::uint64_t wanted = 0;
  for (std::uint32_t i = 2; i < 10; ++i) wanted += w.wanted(i, 9);
  CHECK(deliveries == wanted);
  CHECK(w.topic(5).channel == "load-1");
  CHECK(std::string(w.message(5, 0).channel) == "load-1");
}

TEST_CASE("filters differ, and the update of a share holds what its filter asks for") {
  Workload w({.connections = 6, .filters = 6});
  std::set<std::string> filters;
  for (std::uint32_t i = 0; i < 6; ++i) filters.insert(w.topic(i).filter);
  CHECK(filters.size() == 6);
  CHECK(w.topic(3).filter == R"({"labels":{"service":["svc-3"]}})");
  CHECK(w.topic(4).filter == R"({"incident":["inc-4"]})");
  CHECK(w.topic(5).filter == R"({"team":["team-5"]})");
  const std::string incident(w.message(9, 1).incident);
  CHECK(incident.find(R"("service":"svc-3")") != std::string::npos);
  CHECK(incident.find(R"("id":"inc-3")") != std::string::npos);
}

TEST_CASE("a message has about the size that was asked for, and carries when it was due and its number") {
  Workload events({.payload_bytes = 256, .overhead = 200});
  CHECK(events.message(0, 123).payload.size() + 200 <= 260);
  CHECK(number_member(events.message(41, 123).payload, "\"n\"", 0) == 42);
  CHECK(number_member(events.message(41, 123).payload, "\"t\"", 0) == 123);
  Workload incidents({.payload_bytes = 1024, .incidents = true});
  const auto m = incidents.message(7, 123456);
  CHECK(m.incident.size() > 700);
  CHECK(m.incident.size() < 1024);
  CHECK(number_member(m.incident, "\"n\"", 0) == 8);
}
