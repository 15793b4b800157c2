#include "common/log/log.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/json/json.h"

namespace tocsin::log {
namespace {

TEST_SUITE("common.log") {
  TEST_CASE("a line is one JSON object with the fields in order") {
    CHECK(line(0, Level::warn, "edge-0", "slow",
               {{"client", "c1"}, {"bytes", 7U}, {"delta", -1}, {"ok", true}, {"s", 0.5}}) ==
          R"({"ts":"1970-01-01T00:00:00.000Z","level":"warn","component":"edge-0","msg":"slow",)"
          R"("client":"c1","bytes":7,"delta":-1,"ok":true,"s":0.5})");
  }

  TEST_CASE("whatever a field holds, the line stays one line of valid JSON") {
    const std::string text =
        line(0, Level::error, "a\"b", "new\nline", {{"bad", "\xff\xfe"}, {"k\"", "\x01"}, {"inf", INFINITY}});
    CHECK(text.find('\n') == std::string::npos);
    REQUIRE(json::parse(text));
  }

  TEST_CASE("levels below the threshold are not written, and a file is appended to") {
    std::string path = (std::filesystem::temp_directory_path() / "tocsin-log-XXXXXX").string();
    REQUIRE(::mkstemp(path.data()) >= 0);
    REQUIRE(configure({"unit", Level::warn, path}));
    CHECK_FALSE(enabled(Level::info));
    info("hidden");
    warn("shown", {{"n", 1}});
    set_level(Level::off);
    error("hidden too");
    set_level(Level::debug);
    debug("shown too");
    std::ifstream in(path);
    const std::string all{std::istreambuf_iterator<char>(in), {}};
    CHECK(all.find("hidden") == std::string::npos);
    CHECK(all.find(R"("component":"unit","msg":"shown","n":1})") != std::string::npos);
    CHECK(all.find(R"("level":"debug","component":"unit","msg":"shown too"})") != std::string::npos);
    std::filesystem::remove(path);
  }

  TEST_CASE("a file that cannot be opened is reported, and the old destination stays") {
    const auto done = configure({"unit", Level::off, "/dev/null/x.log"});
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::io);
  }
}

}  // namespace
}  // namespace tocsin::log
