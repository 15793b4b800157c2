// Changes in Kubernetes: the number of replicas and the kept plans, against somebody else's changes and lost
// answers; and what becomes of pods that come and go.
#include <doctest/doctest.h>

#include "ops/supervisor/k8s/guide.h"
#include "ops/supervisor/k8s/objects.h"
#include "ops/supervisor/k8s/scaler.h"
#include "ops/supervisor/k8s/store.h"
#include "tests/unit/ops/k8s_support.h"

namespace tocsin::ops::k8s {
namespace {

using testing::FixedRandom;
using testing::ok;
using testing::status;

struct ScaleServer {
  std::uint64_t replicas = 5, version = 1, patches = 0;
  std::uint64_t other_wants = 0;  ///< an autoscaler that changes it between a read and a patch
  [[nodiscard]] std::string text() const {
    return R"({"metadata":{"resourceVersion":")" + std::to_string(version) + R"("},"spec":{"replicas":)" +
           std::to_string(replicas) + "}}";
  }
  Answer serve(const Call& call) {
    CHECK(call.path == "/sets/e/scale");
    if (call.method == "GET") return ok(text());
    if (other_wants > 0) {
      replicas = std::exchange(other_wants, 0);
      ++version;
    }
    const auto body = json::parse(call.body);
    if (meta_text(*body, "resourceVersion") != std::to_string(version)) return status(409, "modified");
    replicas = **json::uint_member(*json::find(*body, "spec"), "replicas");
    ++version;
    ++patches;
    return ok(text());
  }
};

struct ScaleRig {
  FixedRandom random;
  ScaleServer server;
  Scaler scaler{"/sets/e", random};
  Instant now{Millis{1'000}};
  void run() {
    for (int i = 0; i < 500 && !scaler.idle(); ++i, now += Millis{100}) {
      const auto ask = scaler.tick(now);
      if (ask == Scaler::Ask::nothing) continue;
      const Answer answer = server.serve(scaler.call());
      ask == Scaler::Ask::read ? scaler.read_done(now, answer) : scaler.patched(now, answer);
    }
    CHECK(scaler.idle());
  }
};

Stand stand(const std::string& name, std::uint64_t clients = 10) {
  Stand out;
  out.name = name;
  out.uid = "u-" + name;
  out.takes = out.heard = true;
  out.clients = clients;
  return out;
}
Stand gone(const std::string& name) {
  Stand out = stand(name);
  out.leaving = true;
  out.takes = false;
  return out;
}

using Names = std::vector<std::string>;

TEST_SUITE("k8s scale") {
  TEST_CASE("down and up, and nothing is patched that is so already") {
    ScaleRig rig;
    rig.scaler.at_most(4);
    rig.scaler.at_most(3);
    rig.run();
    CHECK(rig.server.replicas == 3);
    CHECK(rig.server.patches == 1);
    rig.scaler.at_most(3);
    rig.run();
    CHECK(rig.server.patches == 1);
    rig.scaler.at_least(6);
    rig.run();
    CHECK(rig.server.replicas == 6);
  }
  TEST_CASE("an autoscaler that came before is looked at, not overwritten") {
    ScaleRig rig;
    rig.server.other_wants = 2;
    rig.scaler.at_most(3);
    rig.run();
    CHECK(rig.server.replicas == 2);
    CHECK(rig.server.patches == 0);
    CHECK(rig.scaler.conflicts_seen() == 1);
    rig.server.other_wants = 8;
    rig.scaler.at_most(1);
    rig.run();
    CHECK(rig.server.replicas == 1);
  }
  TEST_CASE("what fails is said and tried again, ever later") {
    FixedRandom random;
    Scaler scaler("/sets/e", random);
    scaler.at_most(1);
    Instant now{Millis{1'000}};
    int asked = 0;
    for (int i = 0; i < 300; ++i, now += Millis{100}) {
      if (scaler.tick(now) == Scaler::Ask::nothing) continue;
      ++asked;
      scaler.read_done(now, status(403, "statefulsets/scale is forbidden"));
    }
    CHECK(asked >= 5);
    CHECK(asked <= 10);
    CHECK(scaler.trouble().find("forbidden") != std::string::npos);
  }
}

TEST_SUITE("k8s store") {
  TEST_CASE("what is set is written once it was read, and only then counts as written") {
    FixedRandom random;
    Store store("/plans", random);
    const Instant now{Millis{1'000}};
    REQUIRE(store.tick(now) == Store::Ask::read);
    CHECK(store.tick(now) == Store::Ask::nothing);
    static_cast<void>(store.call());
    store.read_done(now, ok(R"({"metadata":{"resourceVersion":"4"},"data":{"plan.a":"A","plan.b":"B"}})"));
    CHECK(store.data().at("plan.a") == "A");
    CHECK(store.written("plan.b", "B"));
    CHECK(store.tick(now) == Store::Ask::nothing);
    store.set("plan.c", "C\"\n");
    store.erase("plan.a");
    CHECK_FALSE(store.written("plan.c", "C\"\n"));
    REQUIRE(store.tick(now) == Store::Ask::write);
    const Call call = store.call();
    CHECK(call.body == R"({"metadata":{"resourceVersion":"4"},"data":{"plan.c":"C\"\n","plan.a":null}})");
    store.set("plan.c", "newer");  // while it is under way
    store.write_done(now, ok(R"({"metadata":{"resourceVersion":"5"}})"));
    CHECK(store.written("plan.c", "C\"\n"));
    CHECK_FALSE(store.written("plan.c", "newer"));
    CHECK(store.tick(now) == Store::Ask::write);
  }
  TEST_CASE("after a conflict or a lost answer it is read again, and our own word stays") {
    for (const Answer& bad : {status(409, "modified"), Answer(Error{Errc::timeout, "no answer"})}) {
      FixedRandom random;
      Store store("/plans", random);
      Instant now{Millis{1'000}};
      static_cast<void>(store.tick(now));
      static_cast<void>(store.call());
      store.read_done(now, ok(R"({"metadata":{"resourceVersion":"4"}})"));
      store.set("plan.c", "C");
      REQUIRE(store.tick(now) == Store::Ask::write);
      static_cast<void>(store.call());
      store.write_done(now, bad);
      now += Millis{300};
      REQUIRE(store.tick(now) == Store::Ask::read);
      static_cast<void>(store.call());
      store.read_done(now, ok(R"({"metadata":{"resourceVersion":"9"},"data":{"plan.c":"old"}})"));
      REQUIRE(store.tick(now) == Store::Ask::write);
      CHECK(store.call().body == R"({"metadata":{"resourceVersion":"9"},"data":{"plan.c":"C"}})");
    }
  }
}

TEST_SUITE("k8s guide") {
  TEST_CASE("clients of a pod that leaves go to those that stay, of the newest revision if there are any") {
    Stand old = stand("e-0");
    old.newest = false;
    CHECK(targets_of(gone("e-2"), {old, stand("e-1"), gone("e-2"), gone("e-3")}) == Names{"e-1"});
    CHECK(targets_of(gone("e-2"), {old, gone("e-1"), gone("e-2")}) == Names{"e-0"});
    Stand cordoned = stand("e-4");
    cordoned.takes = false;
    CHECK(targets_of(gone("e-2"), {gone("e-2"), cordoned}).empty());
  }
  TEST_CASE("an order is given once, again when it was not taken or the targets have changed") {
    Leavers leavers;
    Instant now{Millis{1'000}};
    std::vector<Stand> all{stand("e-0"), stand("e-1"), gone("e-2")};
    const auto first = leavers.due(all, now);
    REQUIRE(first.size() == 1);
    CHECK(first[0].edge == "e-2");
    CHECK(first[0].targets == Names{"e-0", "e-1"});
    CHECK(leavers.due(all, now).empty());
    now += Leavers::kAgain;
    REQUIRE(leavers.due(all, now).size() == 1);
    leavers.took(first[0].id, first[0].targets);
    now += Leavers::kAgain;
    CHECK(leavers.due(all, now).empty());
    all[1] = gone("e-1");
    now += Leavers::kAgain;
    const auto changed = leavers.due(all, now);
    REQUIRE(changed.size() == 2);
    for (const auto& order : changed) CHECK(order.targets == Names{"e-0"});
  }
  TEST_CASE("one without clients, or that does not answer, is left alone") {
    Leavers leavers;
    Stand mute = gone("e-2");
    mute.heard = false;
    Stand empty = gone("e-3");
    empty.clients = 0;
    CHECK(leavers.due({stand("e-0"), mute, empty}, Instant{Millis{1'000}}).empty());
  }
  TEST_CASE("newcomers: once, when it is calm") {
    Newcomers newcomers;
    Instant now{Millis{100'000}};
    const auto calm = [&now] { return now += Newcomers::kCalm; };
    std::vector<Stand> all{stand("e-0"), stand("e-1")};
    static_cast<void>(newcomers.due(all, now));
    CHECK(newcomers.due(all, calm()));  // a supervisor that has just come looks too
    newcomers.settled(all);
    CHECK_FALSE(newcomers.due(all, calm()));
    all.push_back(stand("e-2", 0));
    CHECK_FALSE(newcomers.due(all, now));
    SUBCASE("they came together") { CHECK(newcomers.due(all, calm())); }
    SUBCASE("not while one leaves") {
      all.push_back(gone("e-3"));
      CHECK_FALSE(newcomers.due(all, calm()));
    }
    SUBCASE("not in a rollout") {
      all[0].newest = false;
      CHECK_FALSE(newcomers.due(all, calm()));
    }
    SUBCASE("another that starts is waited for, not for ever") {
      Stand starting = stand("e-3", 0);
      starting.takes = false;
      starting.starting = true;
      all.push_back(starting);
      CHECK_FALSE(newcomers.due(all, calm()));
      CHECK(newcomers.due(all, now += Newcomers::kPatience));
    }
    SUBCASE("a pod of the same name that was made anew is new") {
      newcomers.settled(all);
      CHECK_FALSE(newcomers.due(all, calm()));
      all[2].uid = "another";
      static_cast<void>(newcomers.due(all, now));
      CHECK(newcomers.due(all, calm()));
    }
  }
}

}  // namespace
}  // namespace tocsin::ops::k8s
