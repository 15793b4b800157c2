// The drain engine against clients that understand, ignore, are stuck or leave, and a broker that is told
// what to answer. Time is virtual.
#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <map>

#include "edge/drain/drain.h"

namespace tocsin::edge {
namespace {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] Instant steady() const override { return now; }
  [[nodiscard]] std::int64_t wall_ms() const override { return 1'760'000'000'000; }
  Instant now{Millis{100'000}};
};

class FakeBroker final : public BrokerPort {
 public:
  void want(const std::string&) override {}
  void unwant(const std::string&) override {}
  void publish(std::vector<Draft>, Answer<std::vector<link::PublishOutcome>>) override {}
  void read(const std::string&, Position, std::uint32_t, Answer<link::ReadResult>) override {}
  void snapshot(const std::string&, const std::string&, Answer<link::SnapshotPage>) override {}
  void cancel_snapshot(const std::string&, const std::string&) override {}
  void list_incidents(link::ListIncidents, Answer<link::IncidentsPage>) override {}
  void get_incident(link::GetIncident, Answer<link::IncidentsPage>) override {}
  void get_channel(const std::string&, Answer<link::ChannelInfo>) override {}
  void put_session(link::SessionRecord, bool) override {}
  void claim_session(const std::string&, std::uint64_t, const std::string&,
                     Answer<link::SessionState>) override {}
  void drop_session(const std::string&, std::uint64_t) override {}
  void stage_sessions(const std::string& target, std::vector<link::SessionRecord> records,
                      Answer<link::StageAnswer> answer) override {
    staged[target] += records.size();
    if (mute) return;
    answers.push_back([fault = refusal, error = failure, size = records.size(), answer = std::move(answer)] {
      if (error) return answer(*error);
      answer(link::StageAnswer{0, {}, fault.ok() ? static_cast<std::uint32_t>(size) : 0U, fault});
    });
  }
  void session_moved(link::SessionMoved) override {}
  [[nodiscard]] bool ready() const override { return is_ready; }
  [[nodiscard]] const std::vector<link::EdgeInfo>& edges() const override { return known; }
  [[nodiscard]] const std::string& ticket_key() const override { return keys.front(); }
  [[nodiscard]] const std::vector<std::string>& ticket_keys() const override { return keys; }

  void answer() {
    for (auto due = std::exchange(answers, {}); auto& one : due) one();
  }

  std::map<std::string, std::size_t> staged;
  std::deque<std::function<void()>> answers;
  std::optional<Error> failure;
  link::Fault refusal;
  bool mute = false;
  bool is_ready = true;
  std::vector<link::EdgeInfo> known;
  std::vector<std::string> keys{"k"};
};

struct FakeClient {
  ClientRef ref;
  std::string session;
  MovePort::Kind kind = MovePort::Kind::session;
  bool pongs = true;
  bool follows = true;   ///< goes where it is told to
  bool returns = true;   ///< comes back after 1012
  bool says_bye = true;  ///< on the old socket
  bool open = true;
  int offers = 0, sent_away = 0, replaced = 0;
  Millis retry_after{0};
};

/// An edge's clients, the edges they go to, and the drain between.
class World final : public MovePort {
 public:
  explicit World(int count) {
    config.id = "me";
    config.drain_lb_settle = Millis{500};
    for (const char* name : {"a", "b"}) broker.known.push_back(edge(name));
    broker.known.push_back(edge("me"));
    drain.attach(*this);
    for (int i = 0; i < count; ++i) add();
    wait(Millis{100});  // reached: ready
  }

  static link::EdgeInfo edge(const std::string& id) {
    return {id, "ws://" + id, "1", "ready", 0, 10'000, 10'000, 0, 100};
  }
  FakeClient& add() {
    const auto slot = static_cast<std::uint32_t>(clients.size());
    auto& client = clients.emplace_back();
    client.ref = {slot, slot + 1'000U};
    client.session = "session-" + std::to_string(slot);
    return client;
  }
  FakeClient& of(ClientRef ref) { return clients[ref.slot]; }
  void later(Millis after, std::function<void()> what) { events.emplace(clock.now + after, std::move(what)); }
  void wait(Millis time) {
    for (const Instant until = clock.now + time; clock.now < until;) {
      clock.now += Millis{10};
      broker.answer();
      while (!events.empty() && events.begin()->first <= clock.now) {
        const auto what = std::move(events.begin()->second);
        events.erase(events.begin());
        what();
      }
      if ((clock.now.time_since_epoch().count() % 100) == 0) drain.tick();
    }
  }
  /// Until the move is over; how long it took.
  Millis finish(Millis longest = Millis{120'000}) {
    const Instant from = clock.now;
    while (drain.running() && clock.now - from < longest) wait(Millis{100});
    return clock.now - from;
  }
  void shut(FakeClient& client) {
    if (!std::exchange(client.open, false)) return;
    drain.gone(client.ref, client.session);
  }
  void come_elsewhere(FakeClient& client, const std::string& where) {
    const bool stays = drain.claimed(client.session);
    drain.moved({client.session, 2, "me", where, "resumed"});
    if (!stays) return shut(client);
    if (!client.says_bye) return;
    later(Millis{20}, [this, &client] {
      drain.bye(client.session, 3);
      shut(client);
    });
  }
  MoveReport report() { return *drain.report(); }
  template <typename Count>
  int sum(Count count) {
    int out = 0;
    for (const auto& client : clients) out += static_cast<int>(count(client));
    return out;
  }

  // ---- MovePort
  [[nodiscard]] std::vector<ClientRef> all() const override {
    std::vector<ClientRef> out;
    for (const auto& client : clients)
      if (client.open) out.push_back(client.ref);
    return out;
  }
  [[nodiscard]] Kind look(ClientRef ref) const override {
    const auto& client = clients[ref.slot];
    if (!client.open) return Kind::gone;
    return client.offers > 0 && client.kind == Kind::session ? Kind::offered : client.kind;
  }
  [[nodiscard]] std::string session_of(ClientRef ref) const override { return clients[ref.slot].session; }
  void confirm(ClientRef) override {}
  [[nodiscard]] bool confirmed(ClientRef ref) const override { return clients[ref.slot].pongs; }
  [[nodiscard]] link::SessionRecord record_for_move(ClientRef ref) override {
    link::SessionRecord record;
    record.id = clients[ref.slot].session;
    return record;
  }
  void offer(ClientRef ref, const Offer& offer) override {
    FakeClient& client = of(ref);
    ++client.offers;
    ++offers_in[clock.now.time_since_epoch().count() / 1'000];
    CHECK(offer.deadline >= offer.reconnect_after);
    if (client.follows)
      later(offer.reconnect_after + Millis{30},
            [this, &client, where = std::string(offer.endpoint.substr(5))] {
              if (client.open) come_elsewhere(client, where);
            });
  }
  void keep(ClientRef ref) override { of(ref).offers = 0; }
  void send_away(ClientRef ref, Millis retry_after) override {
    FakeClient& client = of(ref);
    ++client.sent_away;
    ++closes_in[clock.now.time_since_epoch().count() / 1'000];
    client.retry_after = retry_after;
    later(Millis{10}, [this, &client] { shut(client); });
    if (client.returns && client.kind == Kind::session)
      later(retry_after + Millis{100}, [this, &client] { come_elsewhere(client, "a"); });
  }
  void replace(ClientRef ref) override {
    FakeClient& client = of(ref);
    ++client.replaced;
    later(Millis{10}, [this, &client] { shut(client); });
  }

  Config config;
  ManualClock clock;
  metrics::Registry registry;
  Metrics metrics{registry};
  FakeBroker broker;
  Drain drain{config, clock, broker, metrics};
  std::deque<FakeClient> clients;
  std::multimap<Instant, std::function<void()>> events;
  std::map<std::int64_t, int> offers_in, closes_in;  ///< by second
};

MoveOrder order(Millis deadline = Millis{60'000}) {
  MoveOrder o;
  o.deadline = deadline;
  return o;
}

TEST_CASE("all move, none is closed, the edge is empty; it takes as long as was planned") {
  World w(1'000);
  REQUIRE(w.drain.state() == EdgeState::ready);
  REQUIRE(w.drain.start(order()));
  CHECK(w.drain.state() == EdgeState::cordoned);
  CHECK_FALSE(w.drain.refusing());
  w.wait(Millis{1'000});
  CHECK(w.drain.state() == EdgeState::migrating);
  CHECK(w.drain.refusing());
  const Millis took = w.finish() + Millis{1'000};
  const auto r = w.report();
  CHECK(r.state == MoveState::done);
  CHECK(w.drain.state() == EdgeState::empty);
  CHECK(r.planned == 1'000);
  CHECK(r.offered == 1'000);
  CHECK(r.migrated == 1'000);
  CHECK(r.resumed == 1'000);
  CHECK(r.closed == 0);
  CHECK(r.remaining == 0);
  CHECK(r.duplicates == 3'000);
  CHECK(r.blackouts.longest() == 0);
  CHECK(r.targets.at("a") == doctest::Approx(500).epsilon(0.1));
  CHECK(w.broker.staged["a"] + w.broker.staged["b"] == 1'000);
  CHECK(static_cast<double>(took.count()) ==
        doctest::Approx(static_cast<double>(r.planned_time.count())).epsilon(0.15));
}

TEST_CASE("who ignores the offer is closed inside the rate with a delay of its own, and waited for") {
  World w(300);
  for (auto& client : w.clients) client.follows = false;
  auto o = order();
  o.rate = 50;
  REQUIRE(w.drain.start(o));
  w.finish();
  CHECK(w.report().state == MoveState::done);
  CHECK(w.report().closed == 300);
  CHECK(w.report().migrated == 300);
  CHECK(w.report().blackouts.longest() >= 100);
  for (const auto& [second, count] : w.closes_in) CHECK(count + w.offers_in[second] <= 62);
}

TEST_CASE("one that never pongs, one that never follows or returns, one that leaves: none holds others up") {
  World w(203);
  w.clients[0].pongs = false;
  w.clients[1].follows = w.clients[1].returns = false;
  w.later(Millis{3'000}, [&w] { w.shut(w.clients[202]); });
  w.clients[202].follows = false;
  auto o = order(Millis{20'000});
  REQUIRE(w.drain.start(o));
  w.wait(Millis{4'000});
  CHECK(w.report().migrated == 201);
  CHECK(w.drain.state() == EdgeState::settling);
  CHECK(w.report().state == MoveState::settling);
  w.finish();
  CHECK(w.report().state == MoveState::deadline);
  CHECK(w.report().remaining == 2);  // not seen elsewhere, not over
  CHECK(w.drain.state() == EdgeState::empty);
}

TEST_CASE("an old socket that says no bye is closed as replaced after a while, not before") {
  World w(3);
  w.clients[0].says_bye = false;
  REQUIRE(w.drain.start(order()));
  w.wait(Millis{2'000});
  CHECK(w.clients[0].open);
  CHECK(w.clients[0].replaced == 0);
  w.finish();
  CHECK(w.clients[0].replaced == 1);
  CHECK(w.report().state == MoveState::done);
  CHECK(w.report().closed == 0);
}

TEST_CASE("event streams are closed inside the rate and not waited for") {
  World w(40);
  for (auto& client : w.clients) client.kind = MovePort::Kind::events;
  auto o = order();
  o.rate = 20;
  REQUIRE(w.drain.start(o));
  w.finish();
  CHECK(w.report().closed == 40);
  CHECK(w.report().offered == 0);
  for (const auto& [second, count] : w.closes_in) CHECK(count <= 26);
}

TEST_CASE("without a target it pauses; the last fifth spreads what is left all the same") {
  World w(100);
  w.broker.known.erase(w.broker.known.begin(), w.broker.known.begin() + 2);
  REQUIRE(w.drain.start(order(Millis{20'000})));
  w.wait(Millis{15'000});
  CHECK(w.report().state == MoveState::paused);
  CHECK(w.report().closed == 0);
  w.finish();
  CHECK(w.report().closed == 100);
  CHECK(w.closes_in.size() >= 2);
  for (const auto& [second, count] : w.closes_in) CHECK(count <= 75);
  CHECK(w.report().migrated > 0);
}

TEST_CASE("without the broker nothing happens, and the time does not count") {
  World w(200);
  auto o = order(Millis{10'000});
  o.rate = 50;
  REQUIRE(w.drain.start(o));
  w.wait(Millis{1'500});
  const auto before = w.report().offered;
  w.broker.is_ready = false;
  w.broker.mute = true;
  w.wait(Millis{60'000});
  CHECK(w.report().state == MoveState::paused);
  CHECK(w.report().offered <= before + 20);
  CHECK(w.report().closed == 0);
  w.broker.is_ready = true;
  w.broker.mute = false;
  w.finish();
  CHECK(w.report().state == MoveState::done);
  CHECK(w.report().migrated == 200);
  CHECK(w.report().closed == 0);
}

TEST_CASE(
    "a target that refuses is slowed and its clients are offered another; one that is silent is not waited for") {
  World w(100);
  SUBCASE("refuses") { w.broker.refusal = link::fault_of({Errc::overloaded, "no"}); }
  SUBCASE("is unknown to the broker") { w.broker.failure = Error{Errc::unavailable, "no"}; }
  SUBCASE("silent") { w.broker.mute = true; }
  REQUIRE(w.drain.start(order()));
  const bool mute = w.broker.mute;
  w.wait(Millis{3'000});
  CHECK((w.report().offered > 0) == mute);
  w.broker.refusal = {};
  w.broker.failure.reset();
  w.finish();
  CHECK(w.report().migrated == 100);
  CHECK(w.report().closed == 0);
}

TEST_CASE("a target that goes away mid-way gets no more; those on the way to it are offered another") {
  World w(400);
  auto o = order();
  o.rate = 100;
  REQUIRE(w.drain.start(o));
  w.wait(Millis{1'200});
  w.broker.known[0].state = "silent";
  w.finish();
  CHECK(w.report().migrated == 400);
  CHECK(w.report().targets.at("b") > 250);
}

TEST_CASE("a drain that runs is told other targets: from then on only those; it stays the drain it was") {
  World w(400);
  auto o = order();
  o.id = "first";
  o.rate = 100;
  REQUIRE(w.drain.start(o));
  w.wait(Millis{1'200});
  const auto before = w.report().targets["b"];
  auto better = order();
  better.id = "second";
  better.targets = {"a"};
  REQUIRE(w.drain.start(better));
  REQUIRE(w.drain.start(order()));  // one that names none changes nothing
  auto wrong = better;
  wrong.targets = {"nobody"};
  CHECK(w.drain.start(wrong).error().code == Errc::not_found);
  w.finish();
  CHECK(w.report().id == "first");
  CHECK(w.report().migrated == 400);
  CHECK(w.report().targets.at("b") <= before + 20);  // those that were on their way
}
TEST_CASE("abort: the edge is ready again, offers that are out may be followed, nobody is closed") {
  World w(300);
  auto o = order();
  o.rate = 50;
  o.id = "p1";
  REQUIRE(w.drain.start(o));
  w.wait(Millis{2'000});
  REQUIRE(w.drain.abort());
  CHECK(w.drain.state() == EdgeState::ready);
  CHECK_FALSE(w.drain.refusing());
  w.wait(Millis{20'000});
  CHECK(w.report().state == MoveState::aborted);
  CHECK(w.sum([](const auto& c) { return c.sent_away; }) == 0);
  const int open = w.sum([](const auto& c) { return c.open; });
  CHECK(open > 150);
  CHECK(open < 290);
  CHECK_FALSE(w.drain.abort());
  // The same order does not begin again, another does, and takes the rest.
  o.rate = 0;
  REQUIRE(w.drain.start(o));
  CHECK_FALSE(w.drain.running());
  o.id = "p2";
  REQUIRE(w.drain.start(o));
  w.finish();
  CHECK(w.report().planned == static_cast<std::size_t>(open));
  CHECK(w.sum([](const auto& c) { return c.open; }) == 0);
}

TEST_CASE("a migration moves as many as were asked for and leaves the edge ready") {
  World w(100);
  MoveOrder o;
  o.kind = MoveKind::migrate;
  o.count = 30;
  o.targets = {"b"};
  o.deadline = Millis{30'000};
  REQUIRE(w.drain.start(o));
  CHECK_FALSE(w.drain.start(order()));  // another kind
  w.finish();
  CHECK(w.report().state == MoveState::done);
  CHECK(w.report().migrated == 30);
  CHECK(w.report().targets.at("b") == 30);
  CHECK(w.drain.state() == EdgeState::ready);
  CHECK(w.sum([](const auto& c) { return c.open; }) == 70);
}

TEST_CASE("strays go first, and those that come during the drain go too") {
  World w(100);
  REQUIRE(w.drain.cordon());
  auto& stray = w.add();
  w.drain.opened(stray.ref);
  auto o = order();
  o.rate = 10;
  REQUIRE(w.drain.start(o));
  w.wait(Millis{1'100});
  CHECK(stray.offers == 1);
  CHECK(w.report().offered < 20);
  auto& late = w.add();
  late.kind = MovePort::Kind::early;
  w.drain.opened(late.ref);
  w.wait(Millis{500});
  late.kind = MovePort::Kind::session;
  w.wait(Millis{1'000});
  CHECK(late.offers == 1);
  w.finish();
  CHECK(w.report().planned == 102);
  CHECK(w.report().migrated == 102);
}

TEST_CASE("one that comes back to this edge is planned anew") {
  World w(1);
  w.clients[0].follows = false;
  REQUIRE(w.drain.start(order()));
  w.wait(Millis{1'500});
  REQUIRE(w.clients[0].offers == 1);
  auto& again = w.add();
  again.session = w.clients[0].session;
  w.drain.opened(again.ref);
  w.drain.returned(again.session);
  w.shut(w.clients[0]);
  w.finish();
  CHECK(w.report().returned == 1);
  CHECK(w.report().migrated == 1);
  CHECK(w.report().state == MoveState::done);
}

TEST_CASE("an empty edge is drained at once; cordon and release; orders that cannot be") {
  World w(0);
  auto unknown = order();
  unknown.targets = {"nobody"};
  CHECK(w.drain.start(unknown).error().code == Errc::not_found);
  unknown.targets = {"me"};
  CHECK(w.drain.start(unknown).error().code == Errc::invalid_argument);
  REQUIRE(w.drain.start(order()));
  CHECK_FALSE(w.drain.running());
  CHECK(w.report().state == MoveState::done);
  CHECK(w.drain.state() == EdgeState::empty);
  REQUIRE(w.drain.uncordon());
  CHECK(w.drain.state() == EdgeState::ready);
  REQUIRE(w.drain.cordon());
  REQUIRE(w.drain.cordon());
  w.drain.stop();
  CHECK(w.drain.state() == EdgeState::stopping);
  CHECK(w.drain.start(order()).error().code == Errc::conflict);
  CHECK_FALSE(w.drain.cordon());
}

TEST_CASE("the plan: what start() would do; none without a target") {
  World w(500);
  const auto plan = w.drain.plan({});
  REQUIRE(plan);
  CHECK(plan->clients == 500);
  CHECK(plan->targets.size() == 2);
  CHECK(plan->rate > 0);
  w.broker.known.clear();
  CHECK(w.drain.plan({}).error().code == Errc::unavailable);
}

}  // namespace
}  // namespace tocsin::edge
