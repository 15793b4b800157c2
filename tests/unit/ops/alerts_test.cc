// The webhook's alerts: when one begins, who is told, and when it is over.
#include <doctest/doctest.h>

#include <set>

#include "ops/cluster/exposition.h"
#include "ops/supervisor/alerts/alert_book.h"
#include "ops/supervisor/alerts/alert_rules.h"

using namespace tocsin;
using namespace tocsin::ops;

namespace {

constexpr AlertRule kHot{.type = "hot",
                         .hold = Millis{10'000},
                         .severity = "warning",
                         .message = "{subject} has {value} of {threshold}",
                         .runbook = ""};
constexpr AlertRule kLow{.type = "low",
                         .below = true,
                         .in_maintenance = true,
                         .severity = "critical",
                         .message = "low",
                         .runbook = ""};

/// A book on a clock of its own.
struct Scene {
  AlertBook book{{.resolve = Millis{5'000}, .repeat = Millis{60'000}}};
  Instant now{Millis{1'000'000}};
  bool maintenance = false;

  void pass(std::int64_t ms) { now += Millis{ms}; }
  void look(double hot, double low = 100) {
    book.begin_look(now, now.time_since_epoch().count());
    book.see(kHot, "e", hot, 5);
    book.see(kLow, "d", low, 10);
    book.end_look(maintenance);
  }
  /// What is told now, and taken.
  std::string told() {
    const auto notice = book.next(now);
    if (!notice) return "";
    book.delivered(now, *notice, true);
    return notice->key + (notice->firing ? " on" : " off");
  }
};

const Config& settings() {
  static const Config config;
  return config;
}

struct Watched {
  AlertRules rules{settings()};
  AlertBook book{{.resolve = Millis{0}, .repeat = Millis{0}}};
  ClusterLook look{Instant{Millis{1'000'000}}, 1'700'000'000'000, 0, 50, false, {}};

  std::set<std::string> told() {
    rules.judge(look, book);
    std::set<std::string> out;
    while (const auto notice = book.next(look.now)) {
      out.insert(notice->key + (notice->firing ? "" : " off"));
      book.delivered(look.now, *notice, true);
    }
    look.now += Millis{60'000};
    look.wall_ms += 60'000;
    return out;
  }
};

}  // namespace

TEST_CASE("an alert is told once when it has lasted, and once when it is over") {
  Scene s;
  s.look(9);
  CHECK(s.told().empty());
  s.pass(5'000);
  s.look(9);
  CHECK(s.told().empty());
  s.pass(5'000);
  s.look(9);
  const auto notice = s.book.next(s.now);
  REQUIRE(notice);
  CHECK(notice->message() == "e has 9 of 5");
  CHECK(s.told() == "hot/e on");
  CHECK(s.told().empty());
  CHECK(s.book.firing() == 1);
  s.pass(1'000);
  s.look(1);
  CHECK(s.told().empty());  // a blink of an end is none
  s.pass(1'000);
  s.look(9);
  s.pass(10'000);
  s.look(9);
  CHECK(s.told().empty());
  s.look(1);
  s.pass(5'000);
  s.look(1);
  CHECK(s.told() == "hot/e off");
  CHECK(s.told().empty());
  CHECK(s.book.firing() == 0);
}

TEST_CASE("what was over before anybody could be told is never mentioned") {
  Scene s;
  s.look(100, 3);
  auto notice = s.book.next(s.now);
  REQUIRE(notice);
  CHECK(notice->key == "low/d");
  s.book.delivered(s.now, *notice, false);
  s.look(1, 50);
  s.pass(120'000);
  s.look(1, 50);
  CHECK(s.told().empty());
}

TEST_CASE("a post that fails is tried again, later and later, as things are by then") {
  Scene s;
  s.look(0, 3);
  Millis waited{0};
  for (int i = 0; i < 8; ++i) {
    const auto notice = s.book.next(s.now);
    REQUIRE(notice);
    s.book.delivered(s.now, *notice, false);
    CHECK_FALSE(s.book.next(s.now));
    const Instant before = s.now;
    while (!s.book.next(s.now)) s.pass(500);
    CHECK(s.now - before >= waited);
    waited = s.now - before;
  }
  CHECK(waited == Millis{60'000});
  s.look(0, 2);
  CHECK(s.book.next(s.now)->value == 2);
  CHECK(s.told() == "low/d on");
}

TEST_CASE("an alert that lasts is told again after a while") {
  Scene s;
  s.look(0, 3);
  CHECK(s.told() == "low/d on");
  s.pass(59'000);
  s.look(0, 3);
  CHECK(s.told().empty());
  s.pass(1'000);
  CHECK(s.told() == "low/d on");
}

TEST_CASE("maintenance silences what a person at work causes, not what endangers updates, and no end") {
  Scene s;
  s.look(9);
  s.pass(10'000);
  s.look(9);
  CHECK(s.told() == "hot/e on");
  s.maintenance = true;
  s.look(1, 3);
  CHECK(s.told() == "low/d on");
  s.pass(5'000);
  s.look(1, 3);
  CHECK(s.told() == "hot/e off");
  s.look(9, 3);
  s.pass(10'000);
  s.look(9, 3);
  CHECK(s.told().empty());
  s.maintenance = false;
  s.look(9, 3);
  CHECK(s.told() == "hot/e on");
}

TEST_CASE("the next supervisor neither repeats nor forgets what was told") {
  Scene s;
  s.look(0, 3);
  CHECK(s.told() == "low/d on");
  const std::map<std::string, const AlertRule*> rules{{"low", &kLow}, {"hot", &kHot}};
  Scene next;
  next.book.load(next.now, s.book.to_json(), rules);
  next.look(0, 3);
  CHECK(next.told().empty());
  next.pass(1'000);
  CHECK(next.book.firing() == 1);
  Scene over;
  over.book.load(over.now, s.book.to_json(), rules);
  over.look(0, 50);
  over.pass(5'000);
  over.look(0, 50);
  CHECK(over.told() == "low/d off");
  for (const char* bad : {"", "[]", "{\"alerts\":[{\"type\":\"unknown\"},7,{\"type\":\"low\"}]}"}) {
    Scene spoiled;
    spoiled.book.load(spoiled.now, bad, rules);
    CHECK(spoiled.book.firing() == 0);
  }
}

TEST_CASE("each rule fires on its own numbers, and is over with them") {
  Watched w;
  ProcessLook edge{"edge-0", true, 1, {{"tocsin_edge_load_permille", 100.0}}};
  ProcessLook broker{"broker", true, 1, {{"tocsin_broker_commit_failures_total", 7.0}}};
  w.look.processes = {broker, edge};
  CHECK(w.told().empty());  // counters that are high since long ago
  w.look.processes[0].numbers["tocsin_broker_commit_failures_total"] = 9;
  w.look.processes[1].numbers["tocsin_edge_net_refused_total"] = 60;
  w.look.processes[1].numbers["tocsin_edge_bad_frames_total"] = 49;
  CHECK(w.told() == std::set<std::string>{"commit_failures/broker", "connection_errors/edge-0"});
  CHECK(w.told() == std::set<std::string>{"commit_failures/broker off", "connection_errors/edge-0 off"});
  w.look.processes[1].ready = false;
  CHECK(w.told().empty());
  CHECK(w.told() == std::set<std::string>{"process_down/edge-0"});
  w.look.processes.pop_back();  // scaled down: nobody misses it
  CHECK(w.told() == std::set<std::string>{"process_down/edge-0 off"});
  w.look.disk_free_percent = 4;
  w.look.restarts = 4;
  CHECK(w.told() == std::set<std::string>{"disk_free/cluster", "restarts/cluster"});
  w.look.disk_free_percent = 40;
  for (int minutes = 0; minutes < 14; ++minutes) static_cast<void>(w.told());
  CHECK(w.told() == std::set<std::string>{"restarts/cluster off"});
}

TEST_CASE("a certificate that ends soon, and an edge that has none") {
  Watched w;
  w.look.processes = {{"edge-0", true, 1, parse_exposition("tocsin_edge_tls_days_left NaN\na 1\n")}};
  CHECK(w.told().empty());
  w.look.processes[0].numbers["tocsin_edge_tls_days_left"] = 13.2;
  CHECK(w.told() == std::set<std::string>{"certificate/edge-0"});
  w.look.processes[0].numbers["tocsin_edge_tls_days_left"] = 90;
  CHECK(w.told() == std::set<std::string>{"certificate/edge-0 off"});
}

TEST_CASE("a process that began anew is not taken for one whose counters jumped") {
  Watched w;
  w.look.processes = {{"edge-0", true, 1, {{"tocsin_edge_bad_frames_total", 10.0}}}};
  CHECK(w.told().empty());
  w.look.processes = {{"edge-0", true, 2, {{"tocsin_edge_bad_frames_total", 900.0}}}};
  CHECK(w.told().empty());
}

TEST_CASE("backups that are overdue") {
  Watched w;
  const double now = 1'700'000'000;
  w.look.processes = {{"broker",
                       true,
                       1,
                       {{"tocsin_broker_backup_interval_seconds", 3'600.0},
                        {"tocsin_broker_backup_newest_timestamp_seconds", now - 3'000},
                        {"process_start_time_seconds", now - 1e6}}}};
  CHECK(w.told().empty());
  w.look.processes[0].numbers["tocsin_broker_backup_newest_timestamp_seconds"] = now - 3 * 3'600;
  CHECK(w.told() == std::set<std::string>{"backup_old/broker"});
  w.look.processes[0].numbers["tocsin_broker_backup_newest_timestamp_seconds"] = 0;
  w.look.processes[0].numbers["process_start_time_seconds"] = now;  // had no time for a first one yet
  CHECK(w.told() == std::set<std::string>{"backup_old/broker off"});
}

TEST_CASE("numbers of a metrics page, series of one name added up, and nothing of what is no number") {
  const auto numbers = parse_exposition(
      "# HELP a b\n# TYPE a counter\na 3\nb{x=\"1 } 2\"} 4\nb{x=\"2\"} 5.5\n\nc NaN\nd{ 7\n{} 1\ne\nf x\ng 1e3\n");
  CHECK(numbers == Numbers{{"a", 3}, {"b", 9.5}, {"b{x=\"1 } 2\"}", 4}, {"b{x=\"2\"}", 5.5}, {"g", 1'000}});
}

TEST_CASE("quantiles of a histogram between two pages") {
  const auto page = [](int low, int middle, int all) {
    const auto line = [](const char* le, int n) {
      return std::string("h_bucket{le=\"") + le + "\"} " + std::to_string(n) + "\n";
    };
    return parse_exposition(line("0.5", low) + line("2.5", middle) + line("10", all) + line("+Inf", all));
  };
  const auto before = page(100, 100, 100);
  CHECK_FALSE(quantile(before, before, "h", 0.99));
  CHECK_FALSE(quantile(before, {}, "other", 0.99));
  CHECK(*quantile(page(200, 200, 200), before, "h", 0.5) == doctest::Approx(0.25));
  CHECK(*quantile(page(100, 200, 200), before, "h", 0.99) == doctest::Approx(2.48));
  CHECK(*quantile(parse_exposition("h_bucket{le=\"0.5\"} 0\nh_bucket{le=\"+Inf\"} 7\n"), {}, "h", 0.99) ==
        0.5);
}

TEST_CASE("publishes that wait long for their commit, though the mean is well") {
  Watched w;
  const auto page = [](int quick, int all) {
    const auto line = [](const char* what, int n) {
      return "tocsin_broker_publish_commit_seconds_" + std::string(what) + " " + std::to_string(n) + "\n";
    };
    return parse_exposition(line("bucket{le=\"0.25\"}", quick) + line("bucket{le=\"2.5\"}", all) +
                            line("bucket{le=\"+Inf\"}", all));
  };
  w.look.processes = {{"broker", true, 1, page(0, 0)}};
  CHECK(w.told().empty());
  w.look.processes[0].numbers = page(97, 100);
  CHECK(w.told().empty());  // not for a minute yet
  w.look.processes[0].numbers = page(194, 200);
  CHECK(w.told() == std::set<std::string>{"publish_time/broker"});
  w.look.processes[0].numbers = page(294, 300);
  CHECK(w.told() == std::set<std::string>{"publish_time/broker off"});
}

TEST_CASE("backups and fetches of keys that fail in a row, until one goes well") {
  Watched w;
  const std::string backups = "tocsin_broker_backups_total", fetches = "tocsin_edge_jwks_fetches_total";
  const std::string failed = "{outcome=\"failed\"}";
  w.look.processes = {{"broker", true, 1, {{backups + failed, 3.0}, {backups + "{outcome=\"done\"}", 9.0}}},
                      {"edge-0", true, 1, {{fetches + failed, 4.0}, {fetches + "{outcome=\"ok\"}", 9.0}}}};
  auto& broker = w.look.processes[0].numbers;
  auto& edge = w.look.processes[1].numbers;
  CHECK(w.told().empty());  // what failed before the supervisor looked
  broker[backups + failed] = 4;
  edge[fetches + failed] = 8;
  CHECK(w.told() == std::set<std::string>{"backup_failed/broker"});
  edge[fetches + failed] = 9;
  CHECK(w.told() == std::set<std::string>{"jwks_failing/edge-0"});
  CHECK(w.told().empty());  // no end while none went well
  broker[backups + "{outcome=\"done\"}"] = 10;
  edge[fetches + "{outcome=\"ok\"}"] = 10;
  CHECK(w.told() == std::set<std::string>{"backup_failed/broker off", "jwks_failing/edge-0 off"});
  edge[fetches + failed] = 13;
  CHECK(w.told().empty());
}

TEST_CASE("refusals, bans, lines that are lost, of each process") {
  Watched w;
  w.look.processes = {{"broker", true, 1, {{"a", 1.0}}}, {"edge-0", true, 1, {{"a", 1.0}}}};
  CHECK(w.told().empty());
  w.look.processes[0].numbers = {{"tocsin_log_syslog_lost_total", 1.0}, {"tocsin_audit_lost_total", 1.0}};
  w.look.processes[1].numbers = {{"tocsin_log_dropped_total", 1.0},
                                 {"tocsin_edge_bans_total", 10.0},
                                 {"tocsin_edge_limited_total", 600.0}};
  CHECK(w.told() == std::set<std::string>{"log_lines_lost/broker", "audit_lost/broker",
                                          "log_lines_lost/edge-0", "bans/edge-0"});
  w.look.processes[1].numbers["tocsin_edge_limited_total"] = 1'200;
  CHECK(w.told() == std::set<std::string>{"log_lines_lost/broker off", "audit_lost/broker off",
                                          "log_lines_lost/edge-0 off", "bans/edge-0 off", "refusals/edge-0"});
}
