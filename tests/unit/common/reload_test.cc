#include "common/config/reload.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/json/json.h"

namespace tocsin::config {
namespace {

struct Sample {
  std::int64_t port = 8080;
  std::int64_t limit = 10;
  std::int64_t bound = 20;
  std::string secret = "default";
};

constexpr auto kRows = std::to_array({
    option<&Sample::port>("listen.port", "Port.", {.min = 0, .max = 65'535}),
    option<&Sample::limit>("limits.one", "One.", {.min = 1, .max = 100}, Apply::live),
    option<&Sample::bound>("limits.two", "Two.", {}, Apply::live),
    option<&Sample::secret>("auth.secret", "Key.", {}, Apply::live, Show::redacted),
});

std::string fresh_file() {
  std::string path = (std::filesystem::temp_directory_path() / "tocsin-reload-XXXXXX").string();
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  return path;
}

/// A process with a file of settings, started with one variable.
class Running {
 public:
  Running() = default;
  ~Running() { std::filesystem::remove(path); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  Result<Reloaded> with(std::string_view yaml) {
    std::ofstream(path) << yaml;
    return reload();
  }

  const std::string path = fresh_file();
  Sample settings;
  Reload<Sample> reload{kRows, Sources{path, {{"TOCSIN_LIMITS_TWO", "22"}}, {}, {}}, settings};
};

TEST_SUITE("common.reload") {
  TEST_CASE("live rows change in place, with both values told; rows that need a restart are named and stay") {
    Running p;
    const Sample& seen = p.settings;
    const auto done = p.with("listen: {port: 9}\nlimits: {one: 50}\nauth: {secret: other}\n");
    REQUIRE_MESSAGE(done, (done ? "" : done.error().detail));
    CHECK(seen.limit == 50);
    CHECK(seen.bound == 22);  // the environment that the process was started with
    CHECK(seen.secret == "other");
    CHECK(seen.port == 8080);
    REQUIRE(done->changed.size() == 3);
    CHECK(done->changed[0].key == "limits.one");
    CHECK(done->changed[0].before == "10");
    CHECK(done->changed[0].after == "50");
    CHECK(done->changed[0].origin == p.path + ":2");
    CHECK(done->restart == std::vector<std::string>{"listen.port"});
    const std::string text = to_json(*done);
    CHECK(text.find("other") == std::string::npos);
    CHECK(text.find("default\"") == std::string::npos);
    CHECK(json::parse(text));
    // Back again: the row that needed a restart needs none any more.
    const auto back = p.with("");
    REQUIRE(back);
    CHECK(seen.limit == 10);
    CHECK(back->restart.empty());
  }

  TEST_CASE("one bad row, and nothing changes") {
    Running p;
    bool told = false;
    p.reload.join({{}, [&] { told = true; }});
    for (const std::string_view bad :
         {"limits: {one: 5, two: x}\n", "limits: {one: 101}\n", "limits: {onne: 5}\n",
          "limits: {one: 5}\nlisten: {port: -1}\n", "limits: [\n"}) {
      CAPTURE(bad);
      const auto done = p.with(bad);
      REQUIRE(!done);
      CHECK(done.error().detail.find(p.path) != std::string::npos);
      CHECK(p.settings.limit == 10);
      CHECK(p.settings.bound == 20);
    }
    std::filesystem::remove(p.path);
    CHECK(!p.reload());
    CHECK(!told);
  }

  TEST_CASE("all parts are asked before any is told, and one that objects keeps everything as it was") {
    Running p;
    std::string order;
    bool objects = true;
    std::int64_t asked_about = 0;
    p.reload.join({[&](const Sample& next) -> Status {
                     order += "a?";
                     asked_about = next.limit;
                     if (objects) CHECK(p.settings.limit == 10);
                     CHECK(next.port == 8080);  // needs a restart: it stays what it is
                     return Done{};
                   },
                   [&] { order += "a!"; }});
    p.reload.join({[&](const Sample&) -> Status {
                     order += "b?";
                     if (objects) return Error{Errc::invalid_argument, "limits.one: not now"};
                     return Done{};
                   },
                   [&] {
                     order += "b!";
                     CHECK(p.settings.limit == 50);
                   }});
    const auto refused = p.with("listen: {port: 9}\nlimits: {one: 50}\n");
    REQUIRE(!refused);
    CHECK(refused.error().detail == "limits.one: not now");
    CHECK(order == "a?b?");
    CHECK(asked_about == 50);
    CHECK(p.settings.limit == 10);
    CHECK(p.settings.bound == 20);
    objects = false;
    order.clear();
    REQUIRE(p.reload());
    CHECK(order == "a?b?a!b!");
    order.clear();
    const auto same = p.reload();  // files behind the settings may have changed: everybody is told again
    REQUIRE(same);
    CHECK(same->changed.empty());
    CHECK(order == "a?b?a!b!");
  }
}

}  // namespace
}  // namespace tocsin::config
