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

}  // namespace
}  // namespace tocsin::ops
