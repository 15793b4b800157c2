#include "common/metrics/metrics.h"

#include <doctest/doctest.h>

namespace tocsin::metrics {
namespace {

bool has(const Registry& registry, std::string_view text) {
  return registry.prometheus_text().find(text) != std::string::npos;
}

TEST_SUITE("common.metrics") {
  TEST_CASE("a metric appears once it is a member and leaves with its owner") {
    Registry registry;
    {
      Counter counter(registry, "tocsin_t_total", "Things.");
      counter.add(3);
      counter.add();
      CHECK(
          has(registry, "# HELP tocsin_t_total Things.\n# TYPE tocsin_t_total counter\ntocsin_t_total 4\n"));
    }
    CHECK(registry.prometheus_text().empty());
  }

  TEST_CASE("a gauge goes up and down") {
    Registry registry;
    Gauge gauge(registry, "tocsin_open", "Open.");
    gauge.add(5);
    gauge.add(-2);
    CHECK(has(registry, "# TYPE tocsin_open gauge\ntocsin_open 3\n"));
    gauge.set(0);
    CHECK(gauge.value() == 0);
  }

  TEST_CASE("every label value is there before it counts") {
    Registry registry;
    enum class Why : std::uint8_t { slow, gone };
    CounterFamily closes(registry, "tocsin_closes_total", "Closes.", "reason", {"slow", "gone"});
    closes[Why::gone].add(2);
    CHECK(has(registry, "tocsin_closes_total{reason=\"slow\"} 0\n"));
    CHECK(has(registry, "tocsin_closes_total{reason=\"gone\"} 2\n"));
    CHECK(closes.total() == 2);
    CHECK(registry.descriptions().at(0).values.size() == 2);
  }

  TEST_CASE("a histogram counts cumulatively, bounds included") {
    Registry registry;
    Histogram h(registry, "tocsin_seconds", "Time.", {0.1, 1});
    h.observe(0.1);
    h.observe(0.5);
    h.observe(7);
    CHECK(has(registry, "tocsin_seconds_bucket{le=\"0.1\"} 1\n"));
    CHECK(has(registry, "tocsin_seconds_bucket{le=\"1\"} 2\n"));
    CHECK(has(registry, "tocsin_seconds_bucket{le=\"+Inf\"} 3\n"));
    CHECK(has(registry, "tocsin_seconds_count 3\n"));
    CHECK(h.count() == 3);
  }

  TEST_CASE("a sampled metric is read at the scrape") {
    Registry registry;
    double value = 1;
    const Sampled sampled(registry, Kind::gauge, "tocsin_sampled", "Sampled.", [&] { return value; });
    value = 42;
    CHECK(has(registry, "tocsin_sampled 42\n"));
  }
}

}  // namespace
}  // namespace tocsin::metrics
