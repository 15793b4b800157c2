#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <filesystem>
#include <fstream>

#include "common/loop/handles.h"
#include "common/mq/allow_list.h"
#include "common/mq/dealer.h"
#include "common/mq/router.h"

namespace tocsin::mq {
namespace {

using std::chrono::milliseconds;

std::shared_ptr<const std::string> bytes(std::string s) {
  return std::make_shared<const std::string>(std::move(s));
}

Context::Admission only(const std::string& key) {
  return [key](std::string_view asked) {
    return asked == key ? std::optional<std::string>("holder") : std::nullopt;
  };
}

struct Fixture {
  loop::Loop loop;
  Context context{loop};
  std::vector<std::string> at_router;
  std::vector<std::string> at_dealer;
  int connected = 0;
  int disconnected = 0;
  int refused = 0;
  std::string why;

  std::unique_ptr<Router> router(const std::string& endpoint = "tcp://127.0.0.1:0",
                                 std::optional<CurveKeys> keys = {}) {
    auto r = Router::bind(context, {.endpoint = endpoint, .keys = std::move(keys)},
                          [this](std::string_view peer, std::string_view b, std::string_view holder) {
                            at_router.push_back(std::string(peer) + ":" + std::string(b) +
                                                (holder.empty() ? "" : " of ") + std::string(holder));
                          });
    REQUIRE(r);
    return *std::move(r);
  }
  std::unique_ptr<Dealer> dealer(const std::string& endpoint, const std::string& id = "a",
                                 std::optional<Dealer::Security> security = {}) {
    auto d = Dealer::connect(context, {.endpoint = endpoint, .identity = id, .security = std::move(security)},
                             {.on_connected = [this] { ++connected; },
                              .on_disconnected = [this] { ++disconnected; },
                              .on_refused =
                                  [this](std::string_view text) {
                                    ++refused;
                                    why = text;
                                  },
                              .on_message = [this](std::string_view b) { at_dealer.emplace_back(b); }});
    REQUIRE(d);
    return *std::move(d);
  }
  bool until(const std::function<bool()>& done) {
    bool late = false;
    loop::Timer timer(loop);
    timer.start(milliseconds{20'000}, [&] { late = true; });
    while (!done() && !late) loop.run_once();
    return done();
  }
};

TEST_SUITE("mq") {
  TEST_CASE_FIXTURE(
      Fixture, "ten thousand messages each way arrive in order though the descriptor is edge-triggered") {
    const auto r = router();
    const auto d = dealer(r->endpoint());
    REQUIRE(until([&] { return connected == 1; }));
    constexpr std::size_t kCount = 10'000;
    std::size_t sent = 0;
    std::size_t answered = 0;
    while (at_dealer.size() < kCount) {
      while (sent < kCount && d->send(std::to_string(sent))) ++sent;
      while (answered < at_router.size() && r->send("a", bytes(at_router[answered]))) ++answered;
      const auto before = at_dealer.size() + at_router.size();
      REQUIRE(until([&] { return at_dealer.size() + at_router.size() > before; }));
    }
    for (std::size_t i = 0; i < kCount; ++i) REQUIRE(at_dealer[i] == "a:" + std::to_string(i));
  }

  TEST_CASE_FIXTURE(Fixture, "a router that comes back on its port gets its dealers back") {
    auto r = router();
    const std::string endpoint = r->endpoint();
    const auto d = dealer(endpoint);
    REQUIRE(until([&] { return connected == 1; }));
    r.reset();
    REQUIRE(until([&] { return disconnected == 1; }));
    CHECK_FALSE(d->send("lost"));
    r = router(endpoint);
    REQUIRE(until([&] { return connected == 2; }));
    CHECK(d->send("again"));
    REQUIRE(until([&] { return !at_router.empty(); }));
    CHECK(at_router[0] == "a:again");
  }

  TEST_CASE_FIXTURE(Fixture, "who reconnects under the same identity takes its place over") {
    const auto r = router();
    const auto first = dealer(r->endpoint(), "edge");
    REQUIRE(until([&] { return connected == 1; }));
    CHECK(first->send("1"));
    REQUIRE(until([&] { return at_router.size() == 1; }));
    const auto second = dealer(r->endpoint(), "edge");
    REQUIRE(until([&] { return connected == 2; }));
    CHECK(second->send("2"));
    REQUIRE(until([&] { return at_router.size() == 2; }));
    CHECK(r->send("edge", bytes("to the second")));
    REQUIRE(until([&] { return at_dealer.size() == 1; }));
  }

  TEST_CASE_FIXTURE(Fixture, "an unknown peer and a taken port are said") {
    const auto r = router();
    CHECK_FALSE(r->send("nobody", bytes("x")));
    const auto second = Router::bind(context, {.endpoint = r->endpoint()}, {});
    REQUIRE_FALSE(second);
    CHECK(second.error().detail.find("in use") != std::string::npos);
    CHECK_FALSE(Router::bind(context, {.endpoint = "nonsense"}, {}));
    CHECK_FALSE(Dealer::connect(context, {.endpoint = "nonsense", .identity = "a"}, {}));
  }

  TEST_CASE_FIXTURE(Fixture, "CURVE lets in who is on the allow-list, and nobody without a key") {
    const auto server = curve_keypair();
    const auto friendly = curve_keypair();
    const auto stranger = curve_keypair();
    REQUIRE(server);
    context.admit(only(friendly->public_key));
    const auto r = router("tcp://127.0.0.1:0", *server);
    const auto good = dealer(r->endpoint(), "good", Dealer::Security{*friendly, server->public_key});
    REQUIRE(until([&] { return connected == 1; }));
    const auto bad = dealer(r->endpoint(), "bad", Dealer::Security{*stranger, server->public_key});
    REQUIRE(until([&] { return refused > 0; }));
    const int before = refused;
    const auto plain = dealer(r->endpoint(), "plain");
    REQUIRE(until([&] { return refused > before; }));
    CHECK(connected == 1);
    CHECK_FALSE(bad->send("x"));
    CHECK_FALSE(plain->send("x"));
    CHECK(good->send("hello"));
    REQUIRE(until([&] { return !at_router.empty(); }));
    CHECK(at_router == std::vector<std::string>{"good:hello of holder"});
  }

  TEST_CASE_FIXTURE(Fixture, "a wrong server key is told as such") {
    const auto server = curve_keypair();
    const auto other = curve_keypair();
    context.admit([](std::string_view) { return ""; });
    const auto r = router("tcp://127.0.0.1:0", *server);
    const auto d = dealer(r->endpoint(), "a", Dealer::Security{*other, other->public_key});
    REQUIRE(until([&] { return refused > 0; }));
    CHECK(why.find("public key") != std::string::npos);
    CHECK(connected == 0);
  }

  TEST_CASE_FIXTURE(Fixture, "a key that is allowed later gets in without a new dealer") {
    const auto server = curve_keypair();
    const auto late = curve_keypair();
    const auto r = router("tcp://127.0.0.1:0", *server);
    const auto d = dealer(r->endpoint(), "a", Dealer::Security{*late, server->public_key});
    REQUIRE(until([&] { return refused > 0; }));
    CHECK(why.find("allow-list") != std::string::npos);
    context.admit(only(late->public_key));
    REQUIRE(until([&] { return connected == 1; }));
  }

  TEST_CASE_FIXTURE(
      Fixture,
      "a link whose key is dropped is cut, its messages count no more, and the others notice nothing") {
    const auto server = curve_keypair();
    const auto one = curve_keypair();
    const auto two = curve_keypair();
    std::string banned;
    context.admit([&](std::string_view key) {
      return key == banned ? std::optional<std::string>() : std::optional<std::string>("holder");
    });
    const auto allowed = [&](std::string_view key) { return key != banned; };
    const auto r = router("tcp://127.0.0.1:0", *server);
    const auto a = dealer(r->endpoint(), "a", Dealer::Security{*one, server->public_key});
    const auto b = dealer(r->endpoint(), "b", Dealer::Security{*two, server->public_key});
    REQUIRE(until([&] { return connected == 2; }));
    CHECK(a->send("1"));
    CHECK(b->send("1"));
    REQUIRE(until([&] { return at_router.size() == 2; }));
    CHECK(r->drop_unless(allowed) == 0);
    CHECK(a->send("2"));  // seen anew in each generation
    REQUIRE(until([&] { return at_router.size() == 3; }));
    banned = one->public_key;
    (void)a->send("late");  // may be under way when its key goes
    CHECK(r->drop_unless(allowed) == 1);
    REQUIRE(until([&] { return refused > 0; }));  // it was cut, came back, and got no
    CHECK(at_router.size() == 3);
    CHECK_FALSE(a->send("x"));
    CHECK(b->send("2"));
    REQUIRE(until([&] { return at_router.size() == 4; }));
    CHECK(at_router.back() == "b:2 of holder");
    CHECK(r->drop_unless(allowed) == 0);
    // On the list again, what it says counts at once.
    r->welcome_back(std::exchange(banned, ""));
    REQUIRE(until([&] { return connected == 3; }));
    CHECK(a->send("back"));
    REQUIRE(until([&] { return at_router.size() == 5; }));
    CHECK(at_router.back() == "a:back of holder");
  }

  TEST_CASE_FIXTURE(Fixture,
                    "a router gets another key on its port: who knows only the old one stays outside") {
    const auto before = curve_keypair();
    const auto after = curve_keypair();
    const auto own = curve_keypair();
    context.admit([](std::string_view) { return "holder"; });
    const auto r = router("tcp://127.0.0.1:0", *before);
    auto old = dealer(r->endpoint(), "old", Dealer::Security{*own, before->public_key});
    REQUIRE(until([&] { return connected == 1; }));
    r->rekey(*after);
    REQUIRE(until([&] { return disconnected == 1 && refused > 0; }));
    CHECK(connected == 1);
    const auto fresh = dealer(r->endpoint(), "fresh", Dealer::Security{*own, after->public_key});
    REQUIRE(until([&] { return connected == 2; }));
    CHECK(fresh->send("1"));
    REQUIRE(until([&] { return at_router.size() == 1; }));
    CHECK(at_router.back() == "fresh:1 of holder");
  }

  TEST_CASE_FIXTURE(Fixture, "the first send on_connected is taken, every time") {
    auto r = router();
    const std::string endpoint = r->endpoint();
    int taken = 0;
    int opened = 0;
    int lost = 0;
    std::unique_ptr<Dealer> d;
    d = *Dealer::connect(context, {.endpoint = endpoint, .identity = "a"},
                         {.on_connected =
                              [&] {
                                ++opened;
                                taken += d->send("hello") ? 1 : 0;
                              },
                          .on_disconnected = [&] { ++lost; },
                          .on_refused = {},
                          .on_message = {}});
    for (int round = 1; round <= 5; ++round) {
      REQUIRE(until([&] { return opened == round && at_router.size() == static_cast<std::size_t>(round); }));
      r.reset();
      REQUIRE(until([&] { return lost == round; }));  // the port is free again
      r = router(endpoint);
    }
    CHECK(taken >= 5);
  }

  TEST_CASE_FIXTURE(Fixture, "signals in the middle of everything do no harm") {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) {};
    REQUIRE(::sigaction(SIGALRM, &action, &before) == 0);  // without SA_RESTART: system calls are interrupted
    const itimerval often{{0, 50}, {0, 50}};
    REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
    const auto r = router();
    const auto d = dealer(r->endpoint());
    REQUIRE(until([&] { return connected == 1; }));
    std::size_t sent = 0;
    while (at_dealer.size() < 2'000) {
      while (sent < 2'000 && d->send("x")) ++sent;
      (void)r->send("nobody", bytes("x"));
      loop.run_ready();
      for (; !at_router.empty(); at_router.pop_back()) REQUIRE(r->send("a", bytes("y")));
    }
    const itimerval never{};
    ::setitimer(ITIMER_REAL, &never, nullptr);
    ::sigaction(SIGALRM, &before, nullptr);
    CHECK(at_dealer.size() == 2'000);
  }

  TEST_CASE("key files keep secrets to their owner") {
    const auto dir = std::filesystem::temp_directory_path() / ("tocsin-mq-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir);
    const auto keys = curve_keypair();
    const std::string path = dir / "edge.key";
    REQUIRE(save_keys(path, *keys));
    const auto back = load_keys(path);
    REQUIRE(back);
    CHECK(back->secret_key == keys->secret_key);
    ::chmod(path.c_str(), 0644);
    CHECK(load_keys(path).error().code == Errc::forbidden);
    std::ofstream(dir / "edge.pub") << keys->public_key << "\n";
    CHECK(*load_public_key(dir / "edge.pub") == keys->public_key);
    CHECK(load_keys(dir / "none").error().code == Errc::io);
    std::filesystem::remove_all(dir);
  }

  TEST_CASE(
      "a holder may have two keys while one replaces the other, and a change of the folder is noticed") {
    const auto dir = std::filesystem::temp_directory_path() / ("tocsin-two-" + std::to_string(::getpid()));
    std::filesystem::create_directory(dir);
    const auto one = curve_keypair();
    const auto two = curve_keypair();
    const auto write = [&](const std::string& text) {
      std::ofstream(dir / "edge-0.new") << text;
      std::filesystem::rename(dir / "edge-0.new", dir / "edge-0.pub");
    };
    write(one->public_key + "\n" + two->public_key + "\n");
    const SystemClock clock;
    auto list = AllowList::open(dir.string(), clock);
    REQUIRE(list);
    CHECK(list->holder(one->public_key) == "edge-0");
    CHECK(list->holder(two->public_key) == "edge-0");
    write(two->public_key + "\n");
    list->refresh();
    CHECK_FALSE(list->allows(one->public_key));
    CHECK(list->allows(two->public_key));
    std::filesystem::rename(dir, dir.string() + ".away");
    list->refresh();
    CHECK(list->allows(two->public_key));  // nobody is thrown out for a folder that cannot be read
    std::filesystem::remove_all(dir.string() + ".away");
  }

  TEST_CASE("the allow-list names the holder of a key, and follows its folder") {
    struct : Clock {
      [[nodiscard]] Instant steady() const override { return now; }
      [[nodiscard]] std::int64_t wall_ms() const override { return 0; }
      Instant now{std::chrono::seconds{100}};
    } clock;
    const auto dir = std::filesystem::temp_directory_path() / ("tocsin-allow-" + std::to_string(::getpid()));
    std::filesystem::create_directories(dir);
    const auto one = curve_keypair()->public_key;
    const auto two = curve_keypair()->public_key;
    std::ofstream(dir / "edge-0.pub") << one << "\n";
    auto list = AllowList::open(dir, clock);
    REQUIRE(list);
    CHECK(list->holder(one) == "edge-0");
    CHECK_FALSE(list->holder(two));
    std::ofstream(dir / "edge-1.pub") << two << "\n";
    CHECK(list->holder(two) == "edge-1");  // at once: it was not known
    std::filesystem::remove(dir / "edge-0.pub");
    clock.now += std::chrono::milliseconds{1'001};
    CHECK_FALSE(list->holder(one));  // within a second
    SUBCASE("a file that is no key locks nobody else out, but is no list to start with") {
      std::ofstream(dir / "a.pub") << "no key";
      clock.now += std::chrono::milliseconds{1'001};
      CHECK(list->holder(two) == "edge-1");
      CHECK(AllowList::open(dir, clock).error().detail.find("a.pub") != std::string::npos);
    }
    SUBCASE("a key has one holder") {
      std::ofstream(dir / "edge-2.pub") << two << "\n";
      CHECK(list->holder(two) == "edge-1");
      CHECK(AllowList::open(dir, clock).error().detail.find("edge-2.pub holds the key of edge-1") !=
            std::string::npos);
    }
    std::filesystem::remove_all(dir);
    CHECK(AllowList::open(dir, clock).error().code == Errc::io);
  }
}

}  // namespace
}  // namespace tocsin::mq
