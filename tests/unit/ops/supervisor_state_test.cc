#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ops/supervisor/ports.h"
#include "ops/supervisor/process_id.h"
#include "ops/supervisor/state_file.h"

namespace tocsin::ops {
namespace {

TEST_SUITE("ProcessId") {
  TEST_CASE("the start time tells two processes of one number apart") {
    const auto self = identify(::getpid());
    REQUIRE(self);
    CHECK(self->pid == ::getpid());
    CHECK(self->start > 0);
    CHECK(identify(::getpid()) == self);
  }
  TEST_CASE("any command name is read past") {
    const char* text = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 98765 1000 10";
    const auto id = parse_stat(text);
    REQUIRE(id);
    CHECK(*id == ProcessId{42, 98765});
  }
  TEST_CASE("the remains of a process are not the process") {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) ==
            0);  // ended, not yet waited for
    CHECK_FALSE(identify(child));
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    CHECK_FALSE(identify(child));
    CHECK_FALSE(parse_stat("no stat at all"));
  }
}

TEST_SUITE("SavedState") {
  TEST_CASE("what was saved reads back") {
    SavedState state;
    state.ports = {{"broker", 20001}, {"edge-0", 8080}};
    state.processes["broker"] = {{17, 12345678901ULL}, "tocsin-broker --x \"y\"", true};
    const auto again = SavedState::parse(state.to_json());
    REQUIRE(again);
    CHECK(again->to_json() == state.to_json());
    CHECK(again->processes.at("broker").id == ProcessId{17, 12345678901ULL});
  }
  TEST_CASE("a file that says nothing sensible is refused") {
    for (const char* text : {"", "[]", "{}", R"({"ports":{"a":70000},"processes":{}})",
                             R"({"ports":{},"processes":{"a":{"pid":1}}})"}) {
      CAPTURE(text);
      CHECK_FALSE(SavedState::parse(text));
    }
  }
  TEST_CASE("no file is nothing saved") {
    const auto state = load_state("/tmp/there-is-no-such-folder/supervisor.json");
    REQUIRE(state);
    CHECK(state->processes.empty());
  }
}

TEST_SUITE("ports") {
  TEST_CASE("a chosen port is free, below the outgoing ones, and chosen once") {
    SystemRandom random;
    std::set<std::uint16_t> taken;
    for (int i = 0; i < 20; ++i) {
      const auto port = choose_port("127.0.0.1", taken, random);
      REQUIRE(port);
      CHECK(*port < 32'768);
      CHECK(port_free("127.0.0.1", *port));
    }
    CHECK(taken.size() == 20);
  }
}

TEST_SUITE("Fleet") {
  Config two_edges() {
    Config config;
    config.edges = 2;
    return config;
  }
  TEST_CASE("the first one is what the settings say") {
    Fleet fleet;
    settle(fleet, two_edges(), "", "/bin");
    CHECK(fleet.names() == std::vector<std::string>{"edge-0", "edge-1"});
    CHECK(fleet.release == Release{"/bin", "", "", 1});
    CHECK(fleet.broker == fleet.release);
  }
  TEST_CASE("what a move left stands until the setting is another") {
    Fleet fleet;
    settle(fleet, two_edges(), "", "/bin");
    fleet.edges["edge-2"] = fleet.release;
    fleet.edges["edge-surge"] = {"/new", "", "", 2};
    fleet.edges["edge-0"] = {"/new", "", "", 2};
    fleet.cordoned = {"edge-2"};
    const std::string before = fleet.to_json();
    settle(fleet, two_edges(), "", "/bin");
    CHECK(fleet.to_json() == before);

    Config three = two_edges();
    three.edges = 3;
    settle(fleet, three, "", "/bin");
    CHECK(fleet.names() == std::vector<std::string>{"edge-0", "edge-1", "edge-2"});
    CHECK(fleet.edges["edge-0"].revision == 2);
    CHECK(fleet.cordoned.contains("edge-2"));

    three.programs = "/elsewhere";
    settle(fleet, three, "", "/bin");
    for (const auto& [name, release] : fleet.edges) CHECK(release.programs == "/elsewhere");
    CHECK(fleet.broker.programs == "/elsewhere");
  }
  TEST_CASE("it reads back, and its names are in order of their numbers") {
    SavedState state;
    Config config;
    config.edges = 12;
    settle(state.fleet, config, "", "/bin");
    state.fleet.edges["edge-surge"] = {"/new", "/c.yaml", "77", 2};
    state.fleet.cordoned = {"edge-3"};
    state.fleet.maintenance = true;
    const auto again = SavedState::parse(state.to_json());
    REQUIRE(again);
    CHECK(again->to_json() == state.to_json());
    const auto names = again->fleet.names();
    CHECK(names[2] == "edge-2");
    CHECK(names[11] == "edge-11");
    CHECK(names.back() == "edge-surge");
    CHECK_FALSE(SavedState::parse(R"({"ports":{},"processes":{},"fleet":{"asked":{}}})"));
  }
}

}  // namespace
}  // namespace tocsin::ops
