// How many clients go where, and how fast: shares, growth, halving, bounds, the hurry.
#include <doctest/doctest.h>

#include <map>

#include "edge/drain/load.h"
#include "edge/drain/pacer.h"

namespace tocsin::edge {
namespace {

constexpr Millis kTick{100};
constexpr Pacer::Settings kPlain{100, 50, 0};

link::EdgeInfo edge(std::string id, std::uint32_t load = 0, std::uint32_t take = 10'000) {
  link::EdgeInfo info;
  info.id = std::move(id);
  info.endpoint = "ws://" + info.id;
  info.revision = "1";
  info.state = "ready";
  info.clients_max = 1'000;
  info.take_per_s = take;
  info.load = load;
  info.weight = 100;
  return info;
}

struct Run {
  explicit Run(MoveOrder order = {}, Pacer::Settings settings = kPlain) : pacer("me", order, settings) {}
  /// Takes all it gets for so long; how many went where.
  std::map<std::string, int> take(const std::vector<link::EdgeInfo>& edges, Millis time) {
    std::map<std::string, int> out;
    for (Millis passed{0}; passed < time; passed += kTick) {
      pacer.observe(edges, now);
      pacer.advance(kTick);
      now += kTick;
      while (const auto* target = pacer.take()) ++out[target->id];
    }
    return out;
  }
  Pacer pacer;
  Instant now{Millis{50'000}};
};

TEST_CASE("who is fit: ready, another, with weight, of the newest revision, as the order says") {
  auto cordoned = edge("c"), silent = edge("s"), weightless = edge("w"), old = edge("old");
  cordoned.state = "cordoned";
  silent.state = "silent";
  weightless.weight = 0;
  old.revision = "9";
  auto a = edge("a"), b = edge("b");
  a.revision = b.revision = "10";
  const std::vector all{a, b, cordoned, silent, weightless, old, edge("me")};
  const auto ids = [&](MoveOrder order) {
    Pacer pacer("me", order, kPlain);
    pacer.observe(all, Instant{Millis{1}});
    std::string out;
    for (const auto& target : pacer.targets()) out += target.id + " ";
    return out;
  };
  MoveOrder named, but;
  named.targets = {"old", "b", "c"};
  but.exclude = {"a"};
  CHECK(ids({}) == "a b ");
  CHECK(ids(named) == "b old ");  // who is named is meant, whatever it runs; cordoned stays cordoned
  CHECK(ids(but) == "b ");
}

TEST_CASE("revisions: digits are numbers") {
  CHECK(older_revision("9", "10"));
  CHECK(older_revision("1.9.3", "1.10"));
  CHECK(older_revision("v2", "v2.1"));
  CHECK(older_revision("", "1"));
  CHECK_FALSE(older_revision("10", "9"));
  CHECK_FALSE(older_revision("007", "7"));
  CHECK_FALSE(older_revision("7", "007"));
  CHECK_FALSE(older_revision("abc", "abc"));
}

TEST_CASE("the rate grows by a step a second, and is never above what a target takes") {
  Run run;
  CHECK(run.take({edge("a")}, Millis{1'000})["a"] == doctest::Approx(100).epsilon(0.1));
  (void)run.take({edge("a")}, Millis{2'000});
  CHECK(run.pacer.rate() == doctest::Approx(200));
  auto tight = edge("a");
  tight.take_per_s = 30;
  CHECK(run.take({tight}, Millis{1'000})["a"] <= 32);
  CHECK(run.pacer.rate() == doctest::Approx(30));
}

TEST_CASE("a full target is halved each second and holds in between; one at its limit gets nobody") {
  Run run;
  const std::uint32_t full = Pacer::kFull + 1, busy = Pacer::kRoom + 1;
  (void)run.take({edge("a")}, Millis{1'000});
  (void)run.take({edge("a", busy)}, Millis{3'000});
  CHECK(run.pacer.rate() == doctest::Approx(100));
  (void)run.take({edge("a", full)}, Millis{1'000});
  CHECK(run.pacer.rate() == doctest::Approx(50));
  CHECK(run.take({edge("a", 0, 0)}, Millis{5'000})["a"] <= 11);  // what it had saved up
  CHECK(run.pacer.rate() == 0);
  CHECK(run.take({edge("a")}, Millis{4'000})["a"] > 20);  // and again, as it takes again
}

TEST_CASE("refused staging and a slow way to the target slow it down as load does") {
  Run run;
  (void)run.take({edge("a")}, Millis{500});
  run.pacer.refused("a");
  CHECK(run.pacer.take() == nullptr);
  (void)run.take({edge("a")}, Millis{600});
  CHECK(run.pacer.rate() == doctest::Approx(50));
  run.pacer.arrived("a", Millis{3'000});
  (void)run.take({edge("a")}, Millis{1'000});
  CHECK(run.pacer.rate() == doctest::Approx(25));
}

TEST_CASE("shares follow weight and headroom") {
  auto heavy = edge("heavy"), light = edge("light"), nearly_full = edge("nearly_full");
  heavy.weight = 200;
  nearly_full.clients = 900;
  MoveOrder order;
  order.rate = 310;
  Run run(order, kPlain);
  auto got = run.take({heavy, light, nearly_full}, Millis{10'000});
  CHECK(got["heavy"] == doctest::Approx(2'000).epsilon(0.05));
  CHECK(got["light"] == doctest::Approx(1'000).epsilon(0.05));
  CHECK(got["nearly_full"] == doctest::Approx(100).epsilon(0.1));
}

TEST_CASE("an order's rate is kept by all together; a batch goes together") {
  MoveOrder order;
  order.rate = 40;
  order.batch = 20;
  Run run(order, kPlain);
  const std::vector edges{edge("a"), edge("b")};
  int before = 0, batches = 0;
  for (int tick = 0; tick < 50; ++tick) {
    int now = 0;
    for (const auto& [id, count] : run.take(edges, kTick)) now += count;
    if (now > 0 && before == 0) ++batches;
    CHECK((now == 0 || now >= 15));
    before = now;
  }
  CHECK(batches >= 8);
  CHECK(batches <= 11);
}

TEST_CASE("in a hurry the targets' limits count no more, and without targets clients go all the same") {
  Run run;
  (void)run.take({edge("a", 1'000, 0)}, Millis{1'000});
  run.pacer.hurry(50);
  CHECK(run.take({edge("a", 1'000, 0)}, Millis{1'000})["a"] == doctest::Approx(50).epsilon(0.1));
  (void)run.take({}, kTick);
  CHECK(run.pacer.targets().empty());
  int went = 0;
  for (int tick = 0; tick < 10; ++tick) {
    run.pacer.advance(kTick);
    while (run.pacer.take_any()) ++went;
  }
  CHECK(went == doctest::Approx(50).epsilon(0.1));
}

TEST_CASE("what is expected is what happens when the targets stay as they are") {
  for (const std::size_t clients : {10U, 500U, 5'000U}) {
    const std::vector edges{edge("a"), edge("b")};
    Run run;
    run.pacer.observe(edges, run.now);
    const Millis expected = run.pacer.expected(clients, Millis{3'600'000});
    std::size_t went = 0;
    Millis passed{0};
    for (; went < clients; passed += kTick)
      for (const auto& [id, count] : run.take(edges, kTick)) went += static_cast<std::size_t>(count);
    CAPTURE(clients);
    CHECK(static_cast<double>(passed.count()) ==
          doctest::Approx(static_cast<double>(expected.count())).epsilon(0.1));
  }
}

TEST_CASE("the load is that of the scarcest means") {
  LoadMeter meter({100, 50});
  LoadMeter::Sample s;
  s.at = Instant{Millis{10'000}};
  REQUIRE(meter.sample(s));
  CHECK(meter.take_per_s() == 50);
  CHECK_FALSE(meter.sample(s));
  s.at += Millis{1'000};
  s.cpu_us += 300'000;
  s.handshakes += 20;
  REQUIRE(meter.sample(s));
  CHECK(meter.load() == 300);
  CHECK(meter.handshakes_per_s() == 20);
  s.at += Millis{1'000};
  s.handshakes += 60;
  s.clients = 45;
  REQUIRE(meter.sample(s));
  CHECK(meter.load() == 600);
  CHECK(meter.take_per_s() == 5);  // places
  s.at += Millis{1'000};
  s.joining = LoadMeter::kJoiningBound;
  s.clients = 0;
  REQUIRE(meter.sample(s));
  CHECK(meter.load() == 1'000);
  CHECK(meter.take_per_s() == 0);
}

}  // namespace
}  // namespace tocsin::edge
