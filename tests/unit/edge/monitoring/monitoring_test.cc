#include <doctest/doctest.h>

#include <string>

#include "common/json/json.h"
#include "edge/monitoring/cluster_figures.h"
#include "edge/monitoring/profiles.h"
#include "edge/monitoring/recent_histogram.h"
#include "edge/monitoring/traffic_meter.h"

namespace tocsin::edge {
namespace {

constexpr std::int64_t kNoon = 1'767'268'800'000;  // 2026-01-01T12:00:00Z
constexpr std::uint64_t kDay = 20'260'101;

TEST_SUITE("edge.monitoring") {
  TEST_CASE("a day and a minute count from their own beginning") {
    metrics::Registry registry;
    Metrics m(registry);
    TrafficMeter meter(m);
    Lifetimes lifetimes;
    m.opened.add(3);
    m.delivered.add(10);
    m.private_frames.add(1);
    m.received.add(4);
    auto t = meter.read(kNoon, kDay, lifetimes);
    CHECK(t.opened_today == 3);
    CHECK(t.sent == 11);
    CHECK(t.sent_in_minute == 11);
    CHECK(t.received == 4);
    m.opened.add(2);
    m.delivered.add(5);
    t = meter.read(kNoon + 60'000, kDay, lifetimes);
    CHECK(t.opened_today == 5);
    CHECK(t.sent_in_minute == 0);
    m.delivered.add(7);
    t = meter.read(kNoon + 61'000, kDay + 1, lifetimes);
    CHECK(t.sent_in_minute == 7);
    CHECK(t.opened_today == 0);
    CHECK(t.opened == 5);
  }

  TEST_CASE("the newest hundred lifetimes count") {
    Lifetimes lifetimes;
    for (int i = 0; i < 150; ++i) lifetimes.add(i < 50 ? 1'000'000 : 10);
    CHECK(lifetimes.count() == 100);
    CHECK(lifetimes.sum_ms() == 1'000);
  }

  TEST_CASE("the cluster's figures have the names, the types and the places of their readers") {
    link::Traffic t;
    t.opened = 9;
    t.sent = 1'250;
    t.received = 980;
    t.day = kDay;
    t.opened_today = 150;
    t.minute = static_cast<std::uint64_t>(kNoon / 60'000);
    t.sent_in_minute = 12;
    t.lasted_ms = 135'960;
    t.lasted_count = 3;
    std::vector<link::EdgeInfo> edges(2);
    edges[0].clients = 2;
    edges[1].clients = 3;
    CHECK(
        cluster_figures(edges, t, kNoon, kDay) ==
        R"({"active_connections":5,"connections_today":150,"messages_sent":1250,"messages_received":980,)"
        R"("avg_connection_duration":45.32,"messages_per_minute":12,"timestamp":"2026-01-01T12:00:00.000Z"})");
    CHECK(cluster_figures({}, {}, kNoon + 60'000, kDay).find(R"("avg_connection_duration":0.0,)") !=
          std::string::npos);
    CHECK(cluster_figures(edges, t, kNoon + 60'000, kDay + 1).find(R"("connections_today":0,)") !=
          std::string::npos);
    CHECK(active_connections(edges) == R"({"active_connections":5})");
  }

  TEST_CASE("channels with labels are few, keep them, and no count falls") {
    ChannelLabels labels;
    const auto text = [&](std::vector<ChannelTally> channels, std::int64_t all, std::size_t most = 2) {
      std::string out;
      for (const auto& count : labels.count(std::move(channels), all, most))
        out += count.label + ":" + std::to_string(count.updates) + " ";
      return out;
    };
    CHECK(text({}, 0) == "other:0 ");
    CHECK(text({{"a", 1, 10, 5}, {"b", 2, 20, 50}, {"c", 3, 30, 7}}, 60) == "b:20 c:30 other:10 ");
    // c has fewer than a now and keeps its label.
    CHECK(text({{"a", 1, 11, 90}, {"b", 2, 22, 50}, {"c", 3, 33, 1}}, 66) == "b:22 c:33 other:11 ");
    // b is gone: what a had stays with the others, and of b's nothing goes there.
    CHECK(text({{"a", 1, 15, 90}, {"c", 3, 33, 1}}, 70) == "a:0 c:33 other:15 ");
    CHECK(text({{"a", 1, 18, 90}, {"c", 3, 33, 1}}, 73) == "a:3 c:33 other:15 ");
    // b is back as another feed, and c is one as well: it begins anew, with all it has.
    CHECK(text({{"a", 1, 18, 90}, {"b", 4, 5, 9}, {"c", 5, 2, 1}}, 80) == "a:3 b:5 other:17 ");
    CHECK(text({{"a", 1, 18, 90}, {"b", 4, 5, 9}, {"c", 5, 2, 1}}, 80) == "a:3 b:5 other:17 ");
    ChannelLabels none;
    CHECK(none.count({{"a", 1, 10, 5}}, 10, 0).size() == 1);
  }

  TEST_CASE("profiles: names, labels, and which go together") {
    metrics::Registry registry;
    Metrics m(registry);
    m.clients.add(2);
    m.updates_in.add(6);
    m.arrival_socket_seconds.observe(0.003, 4);
    ProfileFacts facts;
    facts.server = "a\"b";
    const auto page = expose("lim,mahavishnu,realtime", m, facts);
    REQUIRE(page);
    const auto has = [&](std::string_view line) { return page->text.find(line) != std::string::npos; };
    CHECK(has("\nlim_websocket_connections_active 2\n"));
    CHECK(has("\nactive_connections 2\n"));
    CHECK(has("\nwebsocket_connections_active{server=\"a\\\"b\"} 2\n"));
    CHECK(has("\nwebsocket_broadcast_total{server=\"a\\\"b\",channel=\"all\"} 6\n"));
    CHECK(has(",channel=\"all\",le=\"0.001\"} 0\n"));
    CHECK(has(",channel=\"all\",le=\"0.005\"} 4\n"));
    CHECK_FALSE(has("le=\"0.0025\""));
    facts.channels = {{"t/a", 4}, {"other", 2}};
    const auto channels = expose("mahavishnu", m, facts);
    REQUIRE(channels);
    CHECK(channels->text.find("\nwebsocket_broadcast_total{server=\"a\\\"b\",channel=\"t/a\"} 4\n") !=
          std::string::npos);
    CHECK(channels->text.find(",channel=\"other\"} 2\n") != std::string::npos);
    CHECK(channels->text.find("broadcast_total{server=\"a\\\"b\",channel=\"all\"}") == std::string::npos);
    CHECK_FALSE(expose("mahavishnu,vedfolnir", m, facts));
    CHECK_FALSE(expose("vedfolnir-json,lim", m, facts));
    CHECK_FALSE(expose("nobody", m, facts));
    CHECK_FALSE(expose("", m, facts));
    const auto json = expose("vedfolnir-json", m, facts);
    REQUIRE(json);
    REQUIRE(json::parse(json->text));
    CHECK(
        expose("realtime-json", m, facts)->text ==
        R"({"active_connections":2,"total_connections":0,"messages_sent":0,"messages_received":0,"errors":0})");
  }

  TEST_CASE("buckets of lately forget what is older than five minutes") {
    metrics::Registry registry;
    metrics::Histogram h(registry, "h", "H.", {1});
    RecentHistogram recent;
    recent.at(0, h);
    h.observe(0.5, 10);
    CHECK(recent.read(h).cumulative == std::vector<std::int64_t>{10, 10});
    for (int minute = 1; minute <= 5; ++minute) recent.at(minute * 60'000, h);
    h.observe(2);
    CHECK(recent.read(h).cumulative == std::vector<std::int64_t>{0, 1});
  }
}

}  // namespace
}  // namespace tocsin::edge
