#include "edge/limits/limits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "common/metrics/metrics.h"

namespace tocsin::edge {
namespace {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant steady() const override { return now; }
  [[nodiscard]] std::int64_t wall_ms() const override { return now.time_since_epoch().count(); }
  void pass(Millis time) { now += time; }
  Instant now{Millis{1'000'000}};
};

net::IpAddress ip(const std::string& text) { return *net::IpAddress::parse(text); }
net::IpAddress numbered(std::uint32_t n) {
  return net::IpAddress::v4(std::array<std::uint8_t, 4>{10, static_cast<std::uint8_t>(n >> 16U),
                                                        static_cast<std::uint8_t>(n >> 8U),
                                                        static_cast<std::uint8_t>(n)});
}

struct Rig {
  explicit Rig(Config c) : config(std::move(c)) { REQUIRE(limits.configure()); }
  Config config;
  ManualClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  Limits limits{config, clock, 7, metrics};
  std::optional<Limit> arrive(const net::IpAddress& from) {
    const auto arrival = limits.arrive(from);
    return arrival.over ? std::optional(arrival.over->limit) : std::nullopt;
  }
};

TEST_CASE("edge limits: the metric's labels are the limits' names") {
  metrics::Registry registry;
  Metrics m{registry};
  const auto labels = m.limited.describe().values;
  CHECK(std::equal(labels.begin(), labels.end(), kLimitNames.begin(), kLimitNames.end()));
}

TEST_CASE("edge limits: nothing is limited unless it is asked for") {
  Rig r({});
  for (int i = 0; i < 10'000; ++i) REQUIRE_FALSE(r.arrive(ip("192.0.2.1")));
  r.limits.seat(0, ip("192.0.2.1"));
  CHECK_FALSE(r.limits.admit(0));
  for (int i = 0; i < 10'000; ++i) REQUIRE_FALSE(r.limits.message(0, 1'000'000));
  CHECK_FALSE(r.limits.report(true));
  r.limits.tick();
  CHECK(r.metrics.sources.value() == 0);
}

TEST_CASE("edge limits: connections of an address, and of an IPv6 network as one") {
  Config c;
  c.connections_per_ip = 3;
  Rig r(c);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(r.arrive(ip("192.0.2.1")));
  CHECK(r.arrive(ip("192.0.2.1")) == Limit::ip_connections);
  CHECK(r.arrive(ip("::ffff:192.0.2.1")) == Limit::ip_connections);
  CHECK_FALSE(r.arrive(ip("192.0.2.2")));
  for (int i = 1; i <= 3; ++i) CHECK_FALSE(r.arrive(ip("2001:db8::" + std::to_string(i))));
  CHECK(r.arrive(ip("2001:db8::ffff:1")) == Limit::ip_connections);
  CHECK_FALSE(r.arrive(ip("2001:db8:0:1::1")));
  // Those that were answered 429 are sockets too, until they are gone.
  for (int i = 0; i < 3; ++i) r.limits.leave(ip("192.0.2.1"));
  CHECK_FALSE(r.arrive(ip("192.0.2.1")));
  CHECK(r.arrive(ip("192.0.2.1")) == Limit::ip_connections);
  CHECK(r.metrics.limited[Limit::ip_connections].value() == 4);
}

TEST_CASE("edge limits: who goes on though it was told is answered no more") {
  Config c;
  c.connections_per_ip = 1;
  Rig r(c);
  int answered = 0;
  int dropped = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto arrival = r.limits.arrive(ip("192.0.2.1"));
    (arrival.drop ? dropped : answered) += 1;
    CHECK(arrival.counted == !arrival.drop);
  }
  CHECK(answered == 21);
  CHECK(dropped == 979);
  r.clock.pass(Millis{1'000});
  CHECK_FALSE(r.limits.arrive(ip("192.0.2.1")).drop);
}

TEST_CASE("edge limits: attempts in a window, and when to come back") {
  Config c;
  c.attempts_per_ip = 6;
  c.attempts_window = Millis{60'000};
  Rig r(c);
  for (int i = 0; i < 6; ++i) {
    CHECK_FALSE(r.arrive(ip("192.0.2.1")));
    r.limits.leave(ip("192.0.2.1"));
  }
  const auto arrival = r.limits.arrive(ip("192.0.2.1"));
  REQUIRE(arrival.over);
  CHECK(arrival.over->limit == Limit::attempts);
  CHECK(arrival.over->retry_after_s == 10);
  r.clock.pass(Millis{10'000});
  CHECK_FALSE(r.arrive(ip("192.0.2.1")));
  CHECK(r.arrive(ip("192.0.2.1")) == Limit::attempts);
}

TEST_CASE("edge limits: questions are messages of their subject, or of their address, and of the tenant") {
  Config c;
  c.client_messages_per_s = 4;
  c.tenant_messages_per_s = 6;
  c.rate_burst = Millis{1'000};
  Rig r(c);
  const auto ask = [&r](const char* from, const char* subject, const char* tenant) {
    const auto over = r.limits.ask(ip(from), subject, tenant, 10);
    if (over) CHECK(over->retry_after_s == 1);
    return !over;
  };
  for (int i = 0; i < 4; ++i) CHECK(ask("192.0.2.1", "", ""));
  CHECK_FALSE(ask("192.0.2.1", "", ""));
  CHECK(ask("192.0.2.2", "", ""));
  for (int i = 0; i < 4; ++i) CHECK(ask("192.0.2.1", "ann", "t"));  // whatever her address
  CHECK_FALSE(ask("192.0.2.3", "ann", "t"));
  CHECK(ask("192.0.2.1", "192.0.2.1", "t"));  // a subject's name is no address
  CHECK(ask("192.0.2.1", "bob", "t"));
  CHECK_FALSE(ask("192.0.2.1", "eve", "t"));
  CHECK(r.metrics.limited[Limit::messages].value() == 3);
  r.clock.pass(Millis{1'000});
  CHECK(ask("192.0.2.1", "ann", "t"));
}

TEST_CASE("edge limits: repeated abuse is banned for a while, and forgiven") {
  Config c;
  c.ban_after = 5;
  c.ban_window = Millis{10'000};
  c.ban = Millis{60'000};
  c.limits_exempt = {"10.0.0.0/8"};
  Rig r(c);
  for (int i = 0; i < 4; ++i) r.limits.offend(ip("192.0.2.1"), "test");
  CHECK_FALSE(r.arrive(ip("192.0.2.1")));
  // Now and then is no abuse.
  r.clock.pass(Millis{10'000});
  for (int i = 0; i < 4; ++i) r.limits.offend(ip("192.0.2.1"), "test");
  CHECK_FALSE(r.arrive(ip("192.0.2.1")));
  r.limits.offend(ip("192.0.2.1"), "test");
  CHECK(r.metrics.bans.value() == 1);
  const auto arrival = r.limits.arrive(ip("192.0.2.1"));
  REQUIRE(arrival.over);
  CHECK(arrival.over->limit == Limit::banned);
  CHECK(arrival.over->retry_after_s == 60);
  CHECK(r.limits.look(ip("192.0.2.1")));
  CHECK_FALSE(r.limits.look(ip("192.0.2.2")));
  r.clock.pass(Millis{60'000});
  CHECK_FALSE(r.arrive(ip("192.0.2.1")));
  for (int i = 0; i < 100; ++i) r.limits.offend(ip("10.1.2.3"), "test");
  CHECK_FALSE(r.arrive(ip("10.1.2.3")));
}

TEST_CASE("edge limits: whatever addresses come, the table is bounded, and bans outlive the crowd") {
  Config c;
  c.ban_after = 2;
  c.connections_per_ip = 10;
  c.sources_max = 1'024;
  Rig r(c);
  for (int i = 0; i < 2; ++i) r.limits.offend(ip("192.0.2.1"), "test");
  REQUIRE(r.limits.look(ip("192.0.2.1")));
  REQUIRE_FALSE(r.arrive(ip("192.0.2.9")));  // has a socket for all this time
  for (std::uint32_t n = 0; n < 100'000; ++n) {
    (void)r.limits.arrive(numbered(n));
    r.limits.leave(numbered(n));
  }
  // An attacker with a whole IPv6 network is one source.
  for (int i = 0; i < 60'000; ++i) {
    auto bytes = ip("2001:db8::").bytes();
    bytes[14] = static_cast<std::uint8_t>(i >> 8);
    bytes[15] = static_cast<std::uint8_t>(i);
    (void)r.limits.arrive(net::IpAddress(bytes));
    r.limits.leave(net::IpAddress(bytes));
  }
  r.limits.tick();
  CHECK(r.metrics.sources.value() <= 1'024 + 1);
  CHECK(r.limits.look(ip("192.0.2.1")));
  for (int i = 0; i < 9; ++i) CHECK_FALSE(r.arrive(ip("192.0.2.9")));
  CHECK(r.arrive(ip("192.0.2.9")) == Limit::ip_connections);
}

TEST_CASE("edge limits: tenant before subject before connection, and nothing is taken by a no") {
  Config c;
  c.client_messages_per_s = 10;
  c.subject_messages_per_s = 20;
  c.tenant_messages_per_s = 30;
  c.rate_burst = Millis{1'000};
  Rig r(c);
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    r.limits.seat(slot, numbered(slot));
    r.limits.introduce(slot, slot < 3 ? "alice" : "bob", "acme");
  }
  const auto sent = [&](std::uint32_t slot) {
    int n = 0;
    while (n < 1'000 && !r.limits.message(slot, 100)) ++n;
    return n;
  };
  const auto text = [&](std::uint32_t slot) { return r.limits.message(slot, 100)->text; };
  CHECK(sent(0) == 10);
  CHECK(text(0).starts_with("a connection"));
  CHECK(sent(1) == 10);
  CHECK(sent(2) == 0);
  CHECK(text(2).starts_with("a subject"));
  CHECK(sent(3) == 10);
  CHECK(text(3).starts_with("a tenant"));
  r.clock.pass(Millis{500});
  CHECK(sent(0) == 5);
  // What a client may send follows its subject over reconnects.
  r.limits.unseat(0);
  r.limits.seat(0, numbered(0));
  r.limits.introduce(0, "alice", "acme");
  CHECK(sent(0) == 5);
  CHECK(sent(0) == 0);
  r.clock.pass(Millis{1'000});
  for (std::uint32_t slot = 0; slot < 4; ++slot) r.limits.unseat(slot);
  r.clock.pass(Millis{10'000});
  r.limits.tick();
}

TEST_CASE(
    "edge limits: publishes and bytes, and one that is larger than the burst goes when nothing is owed") {
  Config c;
  c.client_publishes_per_s = 2;
  c.client_bytes_per_s = 1'000;
  c.rate_burst = Millis{1'000};
  Rig r(c);
  r.limits.seat(0, ip("192.0.2.1"));
  CHECK_FALSE(r.limits.publish(0));
  CHECK_FALSE(r.limits.publish(0));
  CHECK(r.limits.publish(0)->limit == Limit::publishes);
  CHECK_FALSE(r.limits.message(0, 5'000));
  CHECK(r.limits.message(0, 1)->limit == Limit::bytes);
  r.clock.pass(Millis{4'000});
  CHECK(r.limits.message(0, 1'000)->limit == Limit::bytes);
  r.clock.pass(Millis{1'000});
  CHECK_FALSE(r.limits.message(0, 1'000));
  // Over HTTP: an address of its own while nobody is named.
  CHECK_FALSE(r.limits.publish(ip("192.0.2.7"), "", "", 10));
  CHECK_FALSE(r.limits.publish(ip("192.0.2.7"), "", "", 10));
  CHECK(r.limits.publish(ip("192.0.2.7"), "", "", 10)->limit == Limit::publishes);
  CHECK_FALSE(r.limits.publish(ip("192.0.2.8"), "", "", 10));
}

TEST_CASE("edge limits: what comes besides messages is counted by the socket") {
  Config c;
  c.client_bytes_per_s = 1'000;
  c.rate_burst = Millis{1'000};
  Rig r(c);
  CHECK(r.limits.watches_bytes());
  r.limits.seat(0, ip("192.0.2.1"));
  CHECK_FALSE(r.limits.flooded(0, 50'000));  // what came before is not known to have come too fast
  r.clock.pass(Millis{1'000});
  CHECK_FALSE(r.limits.flooded(0, 52'000));
  r.clock.pass(Millis{1'000});
  const auto over = r.limits.flooded(0, 54'001);
  REQUIRE(over);
  CHECK(over->limit == Limit::bytes);
  CHECK_FALSE(Rig({}).limits.watches_bytes());
}

TEST_CASE("edge limits: sessions of a subject, counted from admit to vacate") {
  Config c;
  c.connections_per_subject = 2;
  Rig r(c);
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    r.limits.seat(slot, numbered(slot));
    r.limits.introduce(slot, "alice", "");
  }
  CHECK_FALSE(r.limits.admit(0));
  CHECK_FALSE(r.limits.admit(0));
  CHECK_FALSE(r.limits.admit(1));
  CHECK(r.limits.admit(2)->limit == Limit::subject_connections);
  CHECK(r.limits.room(numbered(9), "alice")->limit == Limit::subject_connections);
  CHECK_FALSE(r.limits.room(numbered(9), "bob"));
  r.limits.vacate(0);  // lives elsewhere; its socket stays
  CHECK_FALSE(r.limits.admit(2));
  r.limits.unseat(0);
  r.limits.unseat(1);
  r.limits.seat(1, numbered(1));
  r.limits.introduce(1, "alice", "");
  r.limits.enter(1);  // comes with a ticket: never refused, always counted
  r.limits.seat(0, numbered(0));
  r.limits.introduce(0, "alice", "");
  CHECK(r.limits.admit(0)->limit == Limit::subject_connections);
}

TEST_CASE("L-40: what changed is reported, and everything when the broker knows nothing") {
  Config c;
  c.cluster_connections_per_ip = 4;
  c.cluster_connections_per_subject = 3;
  Rig r(c);
  r.limits.seat(0, ip("192.0.2.1"));
  r.limits.introduce(0, "alice", "");
  const auto begin = r.limits.report(true);
  REQUIRE(begin);
  CHECK(begin->counts.empty());
  CHECK(begin->limit_ip == 4);
  CHECK(begin->limit_subject == 3);
  CHECK_FALSE(r.limits.report(false));
  CHECK_FALSE(r.limits.admit(0));
  const auto counts = [&](bool whole) {
    std::string out;
    auto report = r.limits.report(whole);
    if (!report) return out;
    std::sort(report->counts.begin(), report->counts.end(),
              [](const auto& a, const auto& b) { return a.key < b.key; });
    for (const auto& [key, n] : report->counts) out += key + "=" + std::to_string(n) + " ";
    return out;
  };
  CHECK(counts(false) == "a=1 i192.0.2.1=1 salice=1 ");
  CHECK(counts(false).empty());
  CHECK(counts(true) == "a=1 i192.0.2.1=1 salice=1 ");
  r.limits.vacate(0);
  const auto lost = r.limits.report(false);
  REQUIRE(lost);
  r.limits.unsaid(*lost);  // it did not get away
  CHECK(counts(false) == "a=0 i192.0.2.1=0 salice=0 ");
  CHECK(counts(true).empty());
}

TEST_CASE("edge limits: the cluster's limits, before the upgrade and after, and while clients move") {
  Config c;
  c.cluster_connections_per_ip = 4;
  Rig r(c);
  bool moving = false;
  r.limits.moving_while([&] { return moving; });
  r.limits.told({true, {{"i192.0.2.1", 3}}});
  CHECK_FALSE(r.limits.cluster_room(ip("192.0.2.1")));
  r.limits.seat(0, ip("192.0.2.1"));
  CHECK_FALSE(r.limits.admit(0));
  CHECK(r.limits.cluster_room(ip("192.0.2.1"))->limit == Limit::cluster_ip_connections);
  CHECK_FALSE(r.limits.cluster_room(ip("192.0.2.2")));
  moving = true;  // it may come with a ticket
  CHECK_FALSE(r.limits.cluster_room(ip("192.0.2.1")));
  r.limits.seat(1, ip("192.0.2.1"));
  CHECK(r.limits.admit(1)->limit == Limit::cluster_ip_connections);
  r.limits.seat(2, ip("192.0.2.1"));
  r.limits.enter(2);
  r.limits.told({false, {{"i192.0.2.1", 2}}});  // its former edge has let go of it
  moving = false;
  CHECK(r.limits.cluster_room(ip("192.0.2.1")));
  r.limits.told({false, {{"i192.0.2.1", 1}}});
  CHECK_FALSE(r.limits.cluster_room(ip("192.0.2.1")));
  r.limits.told({true, {}});
  CHECK_FALSE(r.limits.admit(1));
}

TEST_CASE("edge limits: a wrong network is refused with the row's name, and nothing changes") {
  Rig r({});
  r.config.limits_exempt = {"10.0.0.1/8"};
  const auto made = r.limits.configure();
  REQUIRE_FALSE(made);
  CHECK(made.error().detail.starts_with("limits.exempt"));
}

}  // namespace
}  // namespace tocsin::edge
