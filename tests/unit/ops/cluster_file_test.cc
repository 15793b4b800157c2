#include "ops/cluster/cluster_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "ops/cluster/file.h"
#include "ops/cluster/folder.h"

namespace tocsin::ops {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/tocsin-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~TemporaryFolder() { static_cast<void>(std::system(("rm -rf " + path).c_str())); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path;
};

ClusterFile sample() {
  ClusterFile file;
  file.broker = {
      .pid = 11, .ingest = "tcp://127.0.0.1:5555", .http = "http://127.0.0.1:1", .public_key = "abc"};
  file.supervisor = {.pid = 12, .http = "http://127.0.0.1:7000", .token_file = "/d/admin.token"};
  file.edges.push_back(
      {.id = "edge-0", .pid = 13, .ws = "ws://127.0.0.1:8080/v1/stream", .http = "http://127.0.0.1:8080"});
  file.dir = "/d";
  return file;
}

TEST_SUITE("ClusterFile") {
  TEST_CASE("it is written in the documented shape") {
    CHECK(
        sample().to_json() ==
        R"({"broker":{"pid":11,"ingest":"tcp://127.0.0.1:5555","http":"http://127.0.0.1:1","public_key":"abc"},)"
        R"("supervisor":{"pid":12,"http":"http://127.0.0.1:7000","token_file":"/d/admin.token"},)"
        R"("edges":[{"id":"edge-0","pid":13,"ws":"ws://127.0.0.1:8080/v1/stream","http":"http://127.0.0.1:8080"}],"dir":"/d"})"
        "\n");
  }
  TEST_CASE("what was written reads back") {
    const auto file = ClusterFile::parse(sample().to_json());
    REQUIRE(file);
    CHECK(file->to_json() == sample().to_json());
  }
  TEST_CASE("the smallest documented file is enough") {
    CHECK(ClusterFile::parse(
        R"({"broker":{"pid":1,"ingest":"tcp://h:1"},"supervisor":{"pid":1,"http":"http://h"},"edges":[]})"));
  }
  TEST_CASE("a broken file is refused and the member named") {
    const std::pair<const char*, const char*> rows[] = {
        {R"([])", "not a JSON object"},
        {R"({"supervisor":{}})", "broker must be an object"},
        {R"({"broker":{"ingest":"x"},"supervisor":{},"edges":[]})", "broker.pid must be a process id"},
        {R"({"broker":{"pid":1,"ingest":5},"supervisor":{},"edges":[]})", "broker.ingest must be a string"},
        {R"({"broker":{"pid":1,"ingest":"x"},"supervisor":{"pid":1,"http":"x"}})", "edges must be an array"},
        {R"({"broker":{"pid":1,"ingest":"x"},"supervisor":{"pid":1,"http":"x"},"edges":[{"id":"e","pid":-1}]})",
         "edges[0].pid must be a process id"},
    };
    for (const auto& [text, detail] : rows) {
      CAPTURE(text);
      const auto file = ClusterFile::parse(text);
      REQUIRE_FALSE(file);
      CHECK(file.error().detail == detail);
    }
  }
}

TEST_SUITE("cluster folder") {
  TEST_CASE("a file is replaced whole, with the asked mode") {
    TemporaryFolder folder;
    const std::string path = folder.path + "/f";
    REQUIRE(write_atomically(path, "one", 0600));
    REQUIRE(write_atomically(path, "two", 0600));
    CHECK(*read_file(path) == "two");
    struct stat found {};
    REQUIRE(::stat(path.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0600);
    CHECK_FALSE(write_atomically(folder.path + "/missing/f", "x"));
  }
  TEST_CASE("keys are nobody else's business") {
    TemporaryFolder where;
    const auto folder = open_folder(where.path + "/a/b");
    REQUIRE(folder);
    struct stat found {};
    REQUIRE(::stat(folder->keys().c_str(), &found) == 0);
    CHECK((found.st_mode & 0777) == 0700);
  }
  TEST_CASE("a second owner is refused while the first lives") {
    TemporaryFolder where;
    const std::string path = where.path + "/x.lock";
    {
      const auto first = FolderLock::take(path);
      REQUIRE(first);
      const auto second = FolderLock::take(path);
      REQUIRE_FALSE(second);
      CHECK(second.error().code == Errc::conflict);
      CHECK(second.error().detail == "process " + std::to_string(::getpid()));
    }
    CHECK(FolderLock::take(path));
  }
  TEST_CASE("the last line is the last that says something") {
    TemporaryFolder folder;
    const std::string path = folder.path + "/log";
    CHECK(last_line(path).empty());
    REQUIRE(write_atomically(path, "first\nsecond\n\n"));
    CHECK(last_line(path) == "second");
    REQUIRE(write_atomically(path, std::string(40'000, 'x') + "\nlast"));
    CHECK(last_line(path) == "last");
  }
}

}  // namespace
}  // namespace tocsin::ops
