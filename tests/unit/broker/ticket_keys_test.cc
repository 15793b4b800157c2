// The keys of tickets: kept with the log, renewed, told before they sign (LINK.md L-6, L-33).
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/unit/broker/core_fixture.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;

namespace {

using Keys = std::vector<std::string>;

struct Keyed : Broker {
  explicit Keyed(Config c) : Broker(std::move(c)) {}
  /// What an edge is told that connects now.
  Keys welcomed(const std::string& edge = "new") {
    say(edge, link::Hello{link::kVersion, "edge", edge, 1, "", ""});
    return must_take<link::Welcome>(edge).ticket_keys;
  }
  /// Lets time pass with "edge-0" alive: all that it was told of keys.
  std::vector<Keys> told(Millis time) {
    std::vector<Keys> out;
    for (; time.count() > 0; time -= Millis{100}) {
      pass(Millis{100});
      say("edge-0", link::EdgeHeartbeat{});
      while (auto keys = take<link::TicketKeys>("edge-0")) out.push_back(keys->keys);
    }
    return out;
  }
};

Config renewing(std::int64_t rotate_s, std::int64_t keep_s) {
  Config config;
  config.ticket_key_rotate_s = rotate_s;
  config.ticket_key_keep_s = keep_s;
  return config;
}

}  // namespace

TEST_CASE(
    "L-6: a new key is told before it signs, then signs; the old one verifies until its tickets are over") {
  Keyed b(renewing(100, 50));
  b.edge("edge-0");
  const Keys first = b.welcomed();
  REQUIRE(first.size() == 1);
  CHECK(b.told(Millis{99'000}).empty());
  const auto made = b.told(Millis{5'000});
  REQUIRE_FALSE(made.empty());
  REQUIRE(made.back().size() == 2);
  CHECK(made.back().front() == first.front());  // the new one only verifies yet
  const std::string next = made.back().back();
  CHECK(next.size() == 32);
  CHECK(next != first.front());
  CHECK(made.size() >= 2);  // said again: a message may be lost
  CHECK(b.welcomed() == made.back());

  const auto signing = b.told(Millis{20'000});
  CHECK(signing.back() == Keys{next, first.front()});
  CHECK(b.told(Millis{30'000}).empty());  // all know it by now
  const auto over = b.told(Millis{20'000});
  REQUIRE_FALSE(over.empty());
  CHECK(over.back() == Keys{next});
}

TEST_CASE("L-6: the keys outlive the process, and so do their times") {
  Keyed b(renewing(100, 1'000));
  b.edge("edge-0");
  (void)b.told(Millis{150'000});
  const Keys before = b.welcomed();
  REQUIRE(before.size() == 2);
  b.start();
  b.edge("edge-0");
  CHECK(b.welcomed() == before);
  CHECK(b.told(Millis{45'000}).empty());
  CHECK(b.told(Millis{10'000}).back().size() == 3);  // made 100 s after the second
}

TEST_CASE("L-6: a key that could not be kept is told to nobody, and made again later") {
  Keyed b(renewing(100, 1'000));
  b.edge("edge-0");
  b.store->failing = Error{Errc::disk_full, ""};
  CHECK(b.told(Millis{110'000}).empty());
  b.store->release();  // reports the failure
  CHECK(b.told(Millis{1'000}).empty());
  b.store->failing.reset();
  b.store->release();
  const auto later = b.told(Millis{30'000});
  REQUIRE_FALSE(later.empty());
  CHECK(later.back().size() == 2);
}

TEST_CASE("L-6: keys never grow without bound, and 0 keeps the one there is") {
  SUBCASE("bound") {
    Keyed b(renewing(1, 100'000));
    b.edge("edge-0");
    (void)b.told(Millis{90'000});
    const Keys many = b.welcomed();
    CHECK(many.size() == 64);
    CHECK(b.told(Millis{10'000}).empty());  // none is given up whose tickets are good
  }
  SUBCASE("never") {
    Keyed b(renewing(0, 1));
    b.edge("edge-0");
    const Keys one = b.welcomed();
    CHECK(b.told(Millis{60'000}).empty());
    CHECK(b.welcomed() == one);
  }
}

TEST_CASE("L-6: the only key of an earlier version stays good") {
  Keyed b(renewing(100, 1'000));
  MemoryLogStore old;
  Batch batch;
  batch.settings.emplace_back("ticket_key", std::string(32, 'k'));
  old.commit(std::move(batch), [](const Status&) {});
  old.poll();
  b.core.reset();
  GateStore store(old);
  b.core = std::make_unique<Core>(
      b.config, "cluster", store, b.clock, [&b] { return ++b.random; }, b.wire, *b.metrics);
  REQUIRE(b.core->open());
  b.core->on_bytes("e", link::encode(link::Hello{link::kVersion, "edge", "e", 1, "", ""}));
  CHECK(b.must_take<link::Welcome>("e").ticket_keys == Keys{std::string(32, 'k')});
  b.core.reset();
}
