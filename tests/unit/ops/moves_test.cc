// Moves in virtual time: each kind to its end, with a supervisor that dies in every state, edges that die,
// and orders that are called off.
#include <doctest/doctest.h>

#include <set>

#include "ops/supervisor/moves/balance.h"
#include "tests/unit/ops/moves_world.h"

namespace tocsin::ops {
namespace {

using testing::World;

Order order_of(MoveKind kind, std::string edge = {}, std::uint64_t count = 0) {
  Order order;
  order.kind = kind;
  order.edge = std::move(edge);
  order.count = count;
  if (kind == MoveKind::restart) order.release = {"/new", "", "", 2};
  return order;
}

const Record& start(World& world, Order order) {
  const auto move = world.moves->start(std::move(order));
  REQUIRE_MESSAGE(move, move.error().detail);
  return (*move)->record();
}

const Record& only(const World& world) { return world.moves->all().front()->record(); }

const std::vector<Order>& every_kind() {
  static const std::vector<Order> all{
      order_of(MoveKind::drain, "edge-1"), order_of(MoveKind::migrate, "edge-1", 40),
      order_of(MoveKind::rebalance),       order_of(MoveKind::scale, {}, 5),
      order_of(MoveKind::scale, {}, 1),    order_of(MoveKind::restart)};
  return all;
}

/// Three edges, the middle one with too many clients.
std::unique_ptr<World> uneven() {
  auto world = std::make_unique<World>(3);
  world->fakes["edge-1"].clients = 400;
  return world;
}

/// What must be so once `order` is done.
void check_done(const World& world, const Order& order) {
  CAPTURE(to_text(order.kind));
  CAPTURE(order.count);
  CHECK(only(world).phase == Phase::done);
  CHECK(world.clients() == 600);
  CHECK(world.cut == 0);
  switch (order.kind) {
    case MoveKind::drain:
      CHECK(world.fakes.at("edge-1").clients == 0);
      CHECK(world.remembered.at("edge-1"));
      break;
    case MoveKind::migrate:
      CHECK(world.fakes.at("edge-1").clients == 360);
      break;
    case MoveKind::rebalance:
      CHECK(balance(world.edges()).good);
      break;
    case MoveKind::scale:
      CHECK(world.order.size() == order.count);
      CHECK(balance(world.edges()).good);
      break;
    case MoveKind::restart:
      CHECK(world.order == std::vector<std::string>{"edge-0", "edge-1", "edge-2"});
      for (const auto& [name, edge] : world.fakes) CHECK(edge.release.revision == 2);
      CHECK(world.broker_pid == 101);
      CHECK(world.current.revision == 2);
      CHECK(world.most_edges == 4);
      CHECK(world.third_hops == 0);
      break;
  }
}

TEST_SUITE("moves") {
  TEST_CASE("each kind comes to its end") {
    for (const Order& order : every_kind()) {
      const auto world = uneven();
      start(*world, order);
      world->run();
      check_done(*world, order);
    }
  }

  TEST_CASE("a supervisor that dies in any state, at any step, changes nothing about the end") {
    std::set<Phase> died_in;
    for (const Order& order : every_kind())
      for (int when = 0; when < 400; when += when < 40 ? 1 : 3) {
        const auto world = uneven();
        start(*world, order);
        for (int i = 0; i < when; ++i) world->step();
        if (!world->moves->any_running()) break;
        died_in.insert(only(*world).phase);
        world->restart_supervisor();
        world->run();
        CAPTURE(when);
        check_done(*world, order);
      }
    for (const Phase phase : {Phase::planned, Phase::starting, Phase::looking, Phase::moving,
                              Phase::replacing, Phase::retiring, Phase::broker})
      CHECK_MESSAGE(died_in.contains(phase), to_text(phase));
  }

  TEST_CASE("a supervisor that dies before every write goes on from the one before") {
    for (const Order& order : every_kind()) {
      const auto world = uneven();
      start(*world, order);
      for (int i = 0; i < 3'000 && world->moves->any_running(); ++i) {
        world->disk_full = i % 3 != 0;  // nothing is asked for that is not on disk
        world->step();
        if (i % 5 == 4) {
          world->disk_full = false;
          world->restart_supervisor();
        }
      }
      world->disk_full = false;
      world->run();
      check_done(*world, order);
    }
  }

  TEST_CASE("only steps of the table are made, and each of them is made by some move") {
    std::set<std::pair<Phase, Phase>> made;
    const auto note = [&](const World& world) {
      Phase before = Phase::planned;
      for (const Phase phase : world.phases) {
        if (phase != before) made.emplace(before, phase);
        before = phase;
      }
    };
    for (const Order& order : every_kind())
      for (int when = 0; when < 400; ++when) {
        const auto world = uneven();
        if (when % 2 == 1) world->fails_with_new = "edge-1";
        if (when % 4 == 1) world->broker_fails = true;
        if (when % 8 == 3) world->new_ones_fail = true;
        if (when % 8 == 5) world->fails_with_new.clear();
        start(*world, order);
        for (int i = 0; i < when; ++i) world->step();
        if ((when % 3 != 0 || when == 0) && world->moves->any_running())
          static_cast<void>(world->moves->all().front()->abort("somebody said so"));
        world->run();
        CAPTURE(to_text(order.kind));
        CAPTURE(when);
        CHECK(ended(only(*world).phase));
        CHECK(world->clients() == 600);
        CHECK(world->cut == 0);
        if (order.kind == MoveKind::restart) CHECK_FALSE(world->fakes.contains(kSurgeEdge));
        note(*world);
      }
    World refused(2);
    refused.refuse = "no";
    start(refused, order_of(MoveKind::migrate, "edge-0", 5));
    refused.run();
    CHECK(only(refused).phase == Phase::failed);
    note(refused);
    for (const auto& [from, to] : made)
      CHECK_MESSAGE(allowed(from, to), to_text(from) << " -> " << to_text(to));
    for (const PhaseStep& step : kPhaseSteps)
      CHECK_MESSAGE(made.contains({step.from, step.to}), to_text(step.from) << " -> " << to_text(step.to));
  }

  TEST_CASE("a rolling restart moves each client once, and those of the surge edge twice") {
    for (const int edges : {1, 2, 3, 5}) {
      World world(edges, 120);
      start(world, order_of(MoveKind::restart));
      world.run();
      CHECK(only(world).phase == Phase::done);
      const double mean = static_cast<double>(world.hops) / (120.0 * edges);
      CHECK(mean <= 1.0 + 1.0 / edges + 1e-9);
      CHECK(world.third_hops == 0);
      CHECK(world.cut == 0);
      CHECK(balance(world.edges()).good);
    }
  }

  TEST_CASE(
      "who was cordoned by hand stays so over a restart, done or called off, and over a drain called off") {
    for (const bool aborted : {false, true})
      for (int when = 0; when < 60; ++when) {
        World world(3);
        world.remembered["edge-1"] = true;
        start(world, order_of(MoveKind::restart));
        for (int i = 0; i < when; ++i) world.step();
        world.restart_supervisor();
        if (aborted && world.moves->any_running())
          static_cast<void>(world.moves->all().front()->abort("no more"));
        world.run();
        CAPTURE(aborted);
        CAPTURE(when);
        CHECK(ended(only(world).phase));
        CHECK(world.cordoned() == std::set<std::string>{"edge-1"});
        if (!aborted) CHECK(world.fakes["edge-1"].release.revision == 2);
        CHECK(world.clients() == 300);
        CHECK(world.cut == 0);
      }
    World world(2, 1000);
    world.remembered["edge-0"] = true;
    start(world, order_of(MoveKind::drain, "edge-0"));
    for (int i = 0; i < 5; ++i) world.step();
    REQUIRE(world.moves->all().front()->abort("no more"));
    world.run();
    CHECK(world.cordoned() == std::set<std::string>{"edge-0"});
  }

  TEST_CASE("the edge with the fewest clients is restarted first: they are the ones that move twice") {
    World world(3);
    world.fakes["edge-0"].clients = 300;
    world.fakes["edge-2"].clients = 10;
    start(world, order_of(MoveKind::restart));
    world.run();
    CHECK(world.hops == 410 + 10);
  }

  TEST_CASE("the only edge of a new revision is drained to the older ones") {
    World world(3);
    world.fakes["edge-2"].release.revision = 2;
    start(world, order_of(MoveKind::drain, "edge-2"));
    world.run(300);
    CHECK(only(world).phase == Phase::done);
    CHECK(world.fakes["edge-2"].clients == 0);
    start(world, order_of(MoveKind::scale, {}, 2));
    world.run(300);
    CHECK(world.order.size() == 2);
  }

  TEST_CASE("an edge that dies in the middle of its drain is asked again when it is back") {
    World world(3);
    start(world, order_of(MoveKind::drain, "edge-1"));
    for (int i = 0; i < 3; ++i) world.step();
    world.fakes["edge-1"].dead = true;
    for (int i = 0; i < 20; ++i) world.step();
    CHECK(only(world).state(world.moves->all().front()->waits()) == "paused");
    world.fakes["edge-1"].dead = false;
    world.fakes["edge-1"].report.reset();
    world.run();
    CHECK(only(world).phase == Phase::done);
    CHECK(world.fakes["edge-1"].clients == 0);
  }

  TEST_CASE("an edge that refuses makes the move fail with what it said") {
    World world(2);
    world.refuse = "the rate must be a number";
    start(world, order_of(MoveKind::drain, "edge-0"));
    world.refuse = "the rate must be a number";
    for (int i = 0; i < 300 && world.moves->any_running(); ++i) {
      world.step();
      if (only(world).phase == Phase::undoing) world.refuse.clear();
    }
    CHECK(only(world).phase == Phase::failed);
    CHECK(only(world).reason == "edge-0: the rate must be a number");
    CHECK_FALSE(world.remembered.at("edge-0"));
  }

  TEST_CASE("calling a drain off lets the edge take clients again") {
    World world(2, 1000);
    start(world, order_of(MoveKind::drain, "edge-0"));
    for (int i = 0; i < 5; ++i) world.step();
    REQUIRE(world.moves->all().front()->abort("no more"));
    world.run();
    CHECK(only(world).phase == Phase::aborted);
    CHECK(world.fakes["edge-0"].clients > 0);
    CHECK_FALSE(world.fakes["edge-0"].cordoned);
    CHECK_FALSE(world.remembered.at("edge-0"));
    CHECK(world.moves->all().front()->abort("again").error().code == Errc::conflict);
  }

  TEST_CASE("maintenance lets rebalance and restart rest, not drains") {
    World world(2);
    world.resting = true;
    CHECK(world.moves->start(order_of(MoveKind::rebalance)).error().code == Errc::conflict);
    CHECK(world.moves->start(order_of(MoveKind::restart)).error().code == Errc::conflict);
    start(world, order_of(MoveKind::drain, "edge-0"));
    world.run();
    CHECK(only(world).phase == Phase::done);

    World other(3);
    start(other, order_of(MoveKind::restart));
    for (int i = 0; i < 15; ++i) other.step();
    other.resting = true;
    other.run(500);
    CHECK_FALSE(ended(only(other).phase));
    CHECK(other.moves->all().front()->waits() == "maintenance is on");
    other.resting = false;
    other.run();
    CHECK(only(other).phase == Phase::done);
  }

  TEST_CASE("bad orders say what to do") {
    World world(3);
    const auto refused = [&](Order order) { return world.moves->start(std::move(order)).error(); };
    CHECK(refused(order_of(MoveKind::drain, "egde-1")).detail ==
          "there is no edge \"egde-1\"; did you mean edge-1? (the cluster has edge-0, edge-1, edge-2)");
    CHECK(refused(order_of(MoveKind::migrate, "edge-1", 0)).code == Errc::invalid_argument);
    CHECK(refused(order_of(MoveKind::scale, {}, 0)).code == Errc::invalid_argument);
    CHECK(refused(order_of(MoveKind::scale, {}, 65)).code == Errc::invalid_argument);
    Order self = order_of(MoveKind::drain, "edge-1");
    self.pace.to = {"edge-1"};
    CHECK(refused(self).code == Errc::invalid_argument);
    World alone(1);
    CHECK(alone.moves->start(order_of(MoveKind::drain, "edge-0")).error().code == Errc::unavailable);
    CHECK(alone.moves->start(order_of(MoveKind::rebalance)).error().code == Errc::unavailable);
  }

  TEST_CASE("one move an edge; moves of the whole cluster alone; the same order again is the same move") {
    World world(4);
    const std::string first = start(world, order_of(MoveKind::drain, "edge-0")).id;
    CHECK(start(world, order_of(MoveKind::drain, "edge-0")).id == first);
    const std::string second = start(world, order_of(MoveKind::drain, "edge-1")).id;
    CHECK(second != first);
    CHECK(world.moves->start(order_of(MoveKind::migrate, "edge-0", 5)).error().code == Errc::conflict);
    CHECK(world.moves->start(order_of(MoveKind::restart)).error().code == Errc::conflict);
    world.run();
    CHECK(world.moves->find(first)->record().phase == Phase::done);
    CHECK(world.moves->find(second)->record().phase == Phase::done);
  }

  TEST_CASE("the last fifty that ended are kept") {
    World world(2);
    std::size_t forgotten = 0;
    for (int i = 0; i < 60; ++i) {
      start(world, order_of(MoveKind::migrate, "edge-0", 1));
      while (world.moves->any_running()) {
        world.now += Millis{100};
        world.step();
      }
      forgotten += world.moves->tick(world.now).size();
    }
    CHECK(world.moves->all().size() == Moves::kKept);
  }
}

TEST_SUITE("balance") {
  std::vector<EdgeView> edges_with(const std::vector<std::uint64_t>& clients) {
    std::vector<EdgeView> out;
    for (const std::uint64_t count : clients) {
      EdgeView view;
      view.id = "edge-" + std::to_string(out.size());
      view.ready = view.heard = true;
      view.state = "ready";
      view.clients = count;
      out.push_back(view);
    }
    return out;
  }

  TEST_CASE("within a tenth of the mean is good") {
    CHECK(balance(edges_with({100, 109, 91})).good);
    CHECK_FALSE(balance(edges_with({100, 120, 80})).good);
    CHECK_FALSE(balance(edges_with({107, 107, 86})).good);
    CHECK(balance(edges_with({1, 0, 0})).good);
    CHECK(balance(edges_with({0, 0})).good);
    CHECK(balance({}).good);
  }
  TEST_CASE("nobody gives or gets more than its share, and some steps make it good") {
    for (const auto& start :
         std::vector<std::vector<std::uint64_t>>{{5000, 0, 0, 0}, {7, 0}, {300, 10, 200, 90, 0}}) {
      auto edges = edges_with(start);
      int steps = 0;
      while (!balance(edges).good && steps++ < 50)
        for (const Shift& shift : balance(edges).shifts) {
          for (EdgeView& edge : edges) {
            if (edge.id == shift.from) edge.clients -= shift.count;
            if (edge.id == shift.to) edge.clients += shift.count;
          }
        }
      CHECK(balance(edges).good);
      CHECK(steps < 20);
    }
  }
  TEST_CASE("an edge of twice the weight has twice the clients") {
    auto edges = edges_with({150, 150});
    edges[0].weight = 200;
    const Balance found = balance(edges);
    REQUIRE(found.shifts.size() == 1);
    CHECK(found.shifts[0].to == "edge-0");
    CHECK(found.shifts[0].count == 50);
  }
  TEST_CASE("who takes no clients has no part in it") {
    auto edges = edges_with({100, 100, 0});
    edges[2].state = "cordoned";
    CHECK(balance(edges).good);
  }
}

TEST_SUITE("Record") {
  TEST_CASE("what was written reads back") {
    Record record;
    record.id = "20260101-000000-000-restart";
    record.order = order_of(MoveKind::restart);
    record.order.pace.exclude = {"edge-9"};
    record.phase = Phase::replacing;
    record.outcome = Phase::aborted;
    record.reason = "a \"reason\"";
    record.waiting = {"edge-1"};
    record.edges = {kSurgeEdge};
    record.edge = "edge-0";
    record.before = {"/old", "/c.yaml", "17", 1};
    record.broker_before = {17, 4242};
    Task task;
    task.number = 1;
    task.edge = "edge-0";
    task.pace.to = {"edge-1"};
    task.report.state = "done";
    task.report.targets["edge-1"] = 7;
    record.tasks.push_back(task);
    const auto again = Record::parse(record.to_json());
    REQUIRE_MESSAGE(again, again.error().detail);
    CHECK(again->to_json() == record.to_json());
    CHECK(again->tasks[0].report.targets.at("edge-1") == 7);
  }
  TEST_CASE("a damaged plan is refused") {
    for (const char* text :
         {"", "{}", "[]", R"({"order":{"kind":"fly"},"tasks":[],"before":{"revision":1}})"})
      CHECK_FALSE(Record::parse(text));
  }
}

}  // namespace
}  // namespace tocsin::ops
