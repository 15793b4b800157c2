#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "common/loop/handles.h"
#include "common/loop/process_watch.h"
#include "common/loop/resolver.h"

using namespace tocsin::loop;
using std::chrono::milliseconds;

TEST_CASE("a timer may destroy itself, and nothing comes afterwards") {
  Loop loop;
  int calls = 0;
  std::optional<Timer> timer(std::in_place, loop);
  const auto witness = std::make_shared<int>(7);
  timer->start(milliseconds{0}, milliseconds{1}, [&, witness] {
    timer.reset();
    calls += *witness == 7 ? 1 : 100;  // the running callback outlives its timer
  });
  loop.run();
  CHECK(calls == 1);
}

TEST_CASE("a timer may give itself another callback") {
  Loop loop;
  Timer timer(loop);
  std::string order;
  timer.start(milliseconds{0}, [&] {
    order += 'a';
    timer.start(milliseconds{0}, [&] { order += 'b'; });
  });
  loop.run();
  CHECK(order == "ab");
  CHECK_FALSE(timer.running());
}

TEST_CASE("a repeating timer runs until it is stopped") {
  Loop loop;
  Timer timer(loop);
  int calls = 0;
  timer.start(milliseconds{0}, milliseconds{1}, [&] {
    if (++calls == 3) timer.stop();
  });
  loop.run();
  CHECK(calls == 3);
}

TEST_CASE("a moved handle goes on") {
  Loop loop;
  Timer first(loop);
  int calls = 0;
  first.start(milliseconds{0}, [&] { ++calls; });
  const Timer second = std::move(first);
  loop.run();
  CHECK(calls == 1);
}

TEST_CASE("an async wakes the loop from another thread") {
  Loop loop;
  int wakes = 0;
  Async async(loop, [&] {
    ++wakes;
    loop.stop();
  });
  std::thread sender([&] { async.send(); });
  loop.run();
  sender.join();
  CHECK(wakes == 1);
}

TEST_CASE("a turn hook sees a change made after it ran, before the loop sleeps") {
  Loop loop;
  Timer guard(loop);  // without the hook's request the loop would sleep until this fires
  guard.start(milliseconds{60'000}, [] {});
  int turns = 0;
  TurnHook hook(loop, [&] {
    if (++turns < 3) hook.request();
    if (turns == 3) loop.stop();
  });
  hook.request();
  loop.run();
  CHECK(turns == 3);
}

TEST_CASE("a turn hook alone does not keep the loop running") {
  Loop loop;
  const TurnHook hook(loop, [] {});
  loop.run();
}

TEST_CASE("a poll tells what a descriptor is ready for") {
  Loop loop;
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  std::string seen;
  std::optional<Poll> poll;
  poll.emplace(loop, ends[0], [&](Events events) {
    if (events.writable) {
      seen += 'w';
      REQUIRE(::write(ends[1], "x", 1) == 1);
      poll->watch({.readable = true});
    } else if (events.readable) {
      seen += 'r';
      poll.reset();
    }
  });
  poll->watch({.writable = true});
  loop.run();
  CHECK(seen == "wr");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a descriptor that cannot be watched is refused at once") {
  Loop loop;
  CHECK_THROWS_AS(Poll(loop, -1, [](Events) {}), std::system_error);
}

TEST_CASE("signals arrive on the loop") {
  Loop loop;
  int got = 0;
  Timer raiser(loop);
  const Signals signals(loop, {SIGUSR1, SIGUSR2}, [&](int number) {
    got = number;
    loop.stop();
  });
  Timer guard(loop);
  guard.start(milliseconds{60'000}, [] {});
  raiser.start(milliseconds{0}, [] { ::raise(SIGUSR2); });
  loop.run();
  CHECK(got == SIGUSR2);
}

TEST_CASE("the end of a child is seen with its status") {
  Loop loop;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(3);
  std::optional<ProcessEnd> end;
  std::unique_ptr<ProcessWatch> watch = std::move(*ProcessWatch::open(loop, child, [&](ProcessEnd e) {
    end = e;
    watch.reset();
  }));
  loop.run();
  REQUIRE(end);
  REQUIRE(end->status);
  CHECK(WIFEXITED(*end->status));
  CHECK(WEXITSTATUS(*end->status) == 3);
  CHECK_FALSE(ProcessWatch::open(loop, child, [](ProcessEnd) {}));
}

TEST_CASE("a watched child can be signalled, and its signal is told") {
  Loop loop;
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  std::optional<ProcessEnd> end;
  auto watch = std::move(*ProcessWatch::open(loop, child, [&](ProcessEnd e) { end = e; }));
  CHECK(watch->signal(SIGKILL));
  loop.run();
  REQUIRE(end);
  REQUIRE(end->status);
  CHECK(WIFSIGNALED(*end->status));
  CHECK(WTERMSIG(*end->status) == SIGKILL);
  CHECK(watch->signal(SIGKILL).error().code == tocsin::Errc::not_found);
}

TEST_CASE("the end of a process that is not our child is seen") {
  Loop loop;
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  const pid_t parent = ::fork();
  if (parent == 0) {  // its child is a stranger to us
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      for (;;) ::pause();
    }
    (void)!::write(pipe_ends[1], &grandchild, sizeof grandchild);
    ::_exit(0);
  }
  pid_t stranger = 0;
  REQUIRE(::read(pipe_ends[0], &stranger, sizeof stranger) == sizeof stranger);
  ::waitpid(parent, nullptr, 0);
  std::optional<ProcessEnd> end;
  auto watch = std::move(*ProcessWatch::open(loop, stranger, [&](ProcessEnd e) { end = e; }));
  CHECK(watch->signal(SIGKILL));
  loop.run();
  REQUIRE(end);
  CHECK(end->pid == stranger);
  CHECK_FALSE(end->status);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_CASE("an address resolves to itself, a name that cannot be one to nothing") {
  Loop loop;
  Resolver resolver(loop);
  std::vector<std::string> answers;
  const auto note = [&](const tocsin::Result<std::vector<std::string>>& got) {
    answers.push_back(got ? got->at(0) : std::string(describe(got.error().code).name));
  };
  resolver.resolve("127.0.0.9", note);
  loop.run();
  resolver.resolve("::1", note);
  loop.run();
  resolver.resolve(std::string(300, 'a'), note);
  resolver.resolve("", note);
  loop.run();
  CHECK(answers == std::vector<std::string>{"127.0.0.9", "::1", "not_found", "not_found"});
}

TEST_CASE("nobody is told when the resolver has gone") {
  Loop loop;
  auto resolver = std::make_unique<Resolver>(loop);
  bool told = false;
  resolver->resolve("127.0.0.1", [&](const auto&) { told = true; });
  resolver.reset();
  loop.run();
  CHECK_FALSE(told);
}
