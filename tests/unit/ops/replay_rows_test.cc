#include "ops/ctl/replay_rows.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace tocsin::ops {
namespace {

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t n = std::min(size, text_.size() - at_);
    std::memcpy(into, text_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

constexpr const char* kLog =
    "number,incident_state,sys_updated_at\n"
    "INC1,New,1/3/2016 10:00\n"
    "INC1,Active,1/3/2016 12:00\n"
    "INC2,New,1/3/2016 11:00\n"
    "INC2,Sleeping,1/3/2016 11:30\n"
    "INC3,New,some day\n"
    "INC3,New,1/3/2016 12:00\n";

std::string story(ReplayRows::Options options, std::string* bad = nullptr) {
  TextSource source(kLog);
  auto rows = ReplayRows::load(source, std::move(options), [&](std::uint64_t line, const std::string&) {
    if (bad != nullptr) *bad += std::to_string(line) + " ";
  });
  REQUIRE(rows);
  std::string out;
  while (const auto due = rows->due()) {
    const auto draft = rows->take();
    if (draft) out += std::to_string(due->count()) + ":" + draft->key + ":" + draft->kind + " ";
  }
  return out;
}

TEST_SUITE("ReplayRows") {
  TEST_CASE("rows come in order of time, equal times in the file's order") {
    CHECK(story({.channel = "c"}) == "0:INC1:created 0:INC2:created 0:INC1:state_changed 0:INC3:created ");
  }
  TEST_CASE("the log's own rhythm is kept, faster") {
    CHECK(story({.channel = "c", .speed = 3600}) ==
          "0:INC1:created 1000:INC2:created 2000:INC1:state_changed 2000:INC3:created ");
  }
  TEST_CASE("a limit takes the earliest") {
    CHECK(story({.channel = "c", .limit = 2}) == "0:INC1:created 0:INC2:created ");
  }
  TEST_CASE(
      "rows wait in a temporary file that leaves nothing behind; where none can be made nothing is replayed") {
    char folder[] = "/tmp/tocsin-rows-test-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    const char* const before = std::getenv("TMPDIR");
    const std::string kept = before != nullptr ? before : "";
    ::setenv("TMPDIR", folder, 1);
    TextSource source(kLog);
    auto rows = ReplayRows::load(source, {.channel = "c"}, [](std::uint64_t, const std::string&) {});
    REQUIRE(rows);
    CHECK(std::filesystem::is_empty(folder));
    CHECK(rows->take()->key == "INC1");
    ::setenv("TMPDIR", "/nowhere", 1);
    TextSource again(kLog);
    const auto none = ReplayRows::load(again, {.channel = "c"}, [](std::uint64_t, const std::string&) {});
    REQUIRE_FALSE(none);
    CHECK(none.error().detail.find("/nowhere") != std::string::npos);
    before != nullptr ? ::setenv("TMPDIR", kept.c_str(), 1) : ::unsetenv("TMPDIR");
    std::filesystem::remove_all(folder);
  }
  TEST_CASE("bad rows are named by their line and do not stop the rest") {
    std::string bad;
    static_cast<void>(story({.channel = "c"}, &bad));
    CHECK(bad == "6 5 ");
  }
}

}  // namespace
}  // namespace tocsin::ops
