// Who is in charge: several leases over one object, with lost answers, pauses and conflicts.
#include <doctest/doctest.h>

#include <memory>

#include "ops/supervisor/k8s/lease.h"
#include "ops/supervisor/k8s/objects.h"
#include "tests/unit/ops/k8s_support.h"

namespace tocsin::ops::k8s {
namespace {

using testing::ok;
using testing::status;

/// The object as an API server keeps it.
struct Server {
  std::uint64_t version = 1;
  std::string holder, renewed, url;
  std::uint64_t transitions = 0, writes = 0;
  bool down = false;

  [[nodiscard]] std::string text() const {
    return R"({"metadata":{"resourceVersion":")" + std::to_string(version) +
           R"(","annotations":{"tocsin.dev/admin-url":")" + url + R"("}},"spec":{"holderIdentity":")" +
           holder + R"(","renewTime":")" + renewed + R"(","leaseDurationSeconds":15,"leaseTransitions":)" +
           std::to_string(transitions) + "}}";
  }
  Answer serve(const Call& call) {
    if (down) return Answer(Error{Errc::timeout, "no answer"});
    if (call.method == "GET") return ok(text());
    const auto body = json::parse(call.body);
    REQUIRE(body);
    if (meta_text(*body, "resourceVersion") != std::to_string(version))
      return status(409, "the object has been modified");
    const json::Value& spec = *json::find(*body, "spec");
    holder = **json::string_member(spec, "holderIdentity");
    renewed = **json::string_member(spec, "renewTime");
    if (const auto n = json::uint_member(spec, "leaseTransitions"); n && *n) transitions = **n;
    url = **json::string_member(*json::find(*json::find(*body, "metadata"), "annotations"),
                                "tocsin.dev/admin-url");
    ++version;
    ++writes;
    return ok(text());
  }
};

struct Contender {
  Contender(Server& s, const std::string& name)
      : server(s), lease({"/lease", name, "http://" + name, Millis{15'000}}) {}
  void tick(Instant now, std::int64_t wall = 1'800'000'000'123) {
    switch (lease.tick(now)) {
      case Lease::Ask::nothing:
        break;
      case Lease::Ask::read:
        lease.read_done(now, server.serve(lease.read_call()));
        break;
      case Lease::Ask::write: {
        const Call call = lease.write_call(now, wall + now.time_since_epoch().count());
        lease.write_done(now, server.serve(call));
        break;
      }
    }
  }
  Server& server;
  Lease lease;
};

struct Rig {
  Server server;
  Contender a{server, "a"}, b{server, "b"};
  Instant now{Millis{50'000}};
  bool a_runs = true, b_runs = true;
  int both = 0;

  void run(Millis time) {
    for (const Instant end = now + time; now < end; now += Millis{100}) {
      if (a_runs) a.tick(now);
      if (b_runs) b.tick(now);
      both += a.lease.mine(now) && b.lease.mine(now) ? 1 : 0;
    }
  }
};

TEST_SUITE("k8s lease") {
  TEST_CASE("one of two holds it, renews it, and the other knows who") {
    Rig rig;
    rig.run(Millis{60'000});
    CHECK(rig.a.lease.mine(rig.now) != rig.b.lease.mine(rig.now));
    CHECK(rig.both == 0);
    CHECK(rig.server.transitions == 1);
    CHECK(rig.server.writes > 20);
    const Contender& idle = rig.a.lease.mine(rig.now) ? rig.b : rig.a;
    CHECK(idle.lease.holder() == rig.server.holder);
    CHECK(idle.lease.holder_url() == "http://" + rig.server.holder);
  }
  TEST_CASE("the holder dies: the other takes over when nothing has changed for the duration, not before") {
    Rig rig;
    rig.b_runs = false;
    rig.run(Millis{5'000});
    REQUIRE(rig.a.lease.mine(rig.now));
    rig.b_runs = true;
    rig.run(Millis{5'000});
    rig.a_runs = false;
    rig.run(Millis{12'000});
    CHECK_FALSE(rig.b.lease.mine(rig.now));
    rig.run(Millis{6'000});
    CHECK(rig.b.lease.mine(rig.now));
    CHECK(rig.both == 0);
    SUBCASE("and the one that comes back, stopped in between, knows that it lost") {
      rig.a_runs = true;
      CHECK(rig.a.lease.lost(rig.now));
      rig.run(Millis{30'000});
      CHECK(rig.both == 0);
      CHECK(rig.b.lease.mine(rig.now));
    }
  }
  TEST_CASE("a holder that cannot renew counts itself out before another may take over") {
    Rig rig;
    rig.run(Millis{5'000});
    rig.server.down = true;
    rig.run(Millis{10'000});
    CHECK_FALSE(rig.a.lease.mine(rig.now));
    CHECK_FALSE(rig.b.lease.mine(rig.now));
    CHECK((rig.a.lease.lost(rig.now) || rig.b.lease.lost(rig.now)));
    CHECK_FALSE((rig.a.lease.trouble() + rig.b.lease.trouble()).empty());
  }
  TEST_CASE("given up, it is taken at once") {
    Rig rig;
    rig.b_runs = false;
    rig.run(Millis{3'000});
    REQUIRE(rig.a.lease.mine(rig.now));
    rig.a_runs = false;
    static_cast<void>(rig.server.serve(rig.a.lease.release_call(1'800'000'000'000)));
    rig.b_runs = true;
    rig.run(Millis{3'000});
    CHECK(rig.b.lease.mine(rig.now));
  }
  TEST_CASE("the same pod after its container was restarted does not wait") {
    Rig rig;
    rig.b_runs = false;
    rig.run(Millis{3'000});
    REQUIRE(rig.a.lease.mine(rig.now));
    Contender again(rig.server, "a");
    again.tick(rig.now);
    again.tick(rig.now);
    CHECK(again.lease.mine(rig.now));
  }
  TEST_CASE("a conflict is read again, and whoever came first keeps it") {
    Server server;
    Contender a(server, "a"), b(server, "b");
    const Instant now{Millis{50'000}};
    a.tick(now);
    b.tick(now);
    b.tick(now);  // takes it
    CHECK(b.lease.mine(now));
    a.tick(now);  // its write rests on an old version
    a.tick(now);
    CHECK_FALSE(a.lease.mine(now));
    CHECK(a.lease.holder() == "b");
  }
  TEST_CASE("times have the six digits that an API server insists on") {
    CHECK(micro_time(1'800'000'000'123) == "2027-01-15T08:00:00.123000Z");
  }
}

}  // namespace
}  // namespace tocsin::ops::k8s
