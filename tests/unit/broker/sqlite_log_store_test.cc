// The durable store: the suite, what survives, which folders it refuses, and what a full disk does.
#include "broker/log/sqlite_log_store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "broker/log/sqlite_schema.h"
#include "tests/unit/broker/log_store_suite.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;
namespace fs = std::filesystem;

namespace {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "tocsin-log-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempFolder() {
    ::chmod(path_.c_str(), 0700);
    fs::remove_all(path_);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

std::uint64_t counting() {
  static std::uint64_t n = 1000;
  return ++n;
}

/// A folder and the store on it, closed together.
struct Opened {
  DataFolder folder;
  std::unique_ptr<LogStore> store;
};
Result<std::unique_ptr<Opened>> open(const std::string& path, std::int64_t max_bytes = 0,
                                     const std::string& cluster = "") {
  auto folder = DataFolder::claim(path, cluster, "made-up");
  if (!folder) return folder.error();
  auto out = std::make_unique<Opened>(Opened{*std::move(folder), nullptr});
  auto store = SqliteLogStore::open(out->folder, {max_bytes, counting});
  if (!store) return store.error();
  out->store = *std::move(store);
  return out;
}
std::unique_ptr<Opened> must_open(const std::string& path, std::int64_t max_bytes = 0) {
  auto opened = open(path, max_bytes);
  REQUIRE_MESSAGE(opened, (opened ? "" : opened.error().detail));
  return *std::move(opened);
}

Epoch epoch_of(LogStore& store) { return store.channels()->front().epoch; }

/// Changes the closed database behind the broker's back.
void alter(const TempFolder& folder, const char* sql) {
  auto db = Db::open(folder.file("log.db"), Db::Mode::write);
  REQUIRE(db);
  REQUIRE(db->run(sql));
}

}  // namespace

TEST_CASE("the SQLite store keeps the promises of a LogStore") {
  struct Owned {
    TempFolder folder;
    std::unique_ptr<Opened> opened = must_open(folder.path());
  };
  const auto make = [] {
    auto owned = std::make_shared<Owned>();
    LogStore& store = *owned->opened->store;
    return std::make_unique<HeldStore>(std::move(owned), store);
  };
  run_log_store_suite({make, Durability::disk});
}

TEST_CASE("what was committed is there after the store is opened again, under the same epoch") {
  TempFolder folder;
  ChannelId id{};
  {
    auto opened = must_open(folder.path());
    id = opened->store->new_channel_id(Durability::disk);
    Batch batch = rows(id, "incidents", 1, 3);
    batch.incidents.emplace_back(id, incident("a", 3, "{}"));
    batch.sessions.push_back({"s", 1, "edge-0", 1, true, 5, "r"});
    REQUIRE(commit_now(*opened->store, std::move(batch)));
  }
  auto opened = must_open(folder.path());
  CHECK(epoch_of(*opened->store) == Epoch{7});
  CHECK(opened->store->read_after(id, 0, 10, 1000)->size() == 3);
  CHECK(opened->store->incident(id, "a")->has_value());
  CHECK(opened->store->session("s")->has_value());
  CHECK(opened->store->new_channel_id(Durability::disk) != id);
}

TEST_CASE(
    "the write-ahead log is filled with zeros meanwhile, and is read back like any other after a crash") {
  TempFolder folder;
  auto opened = must_open(folder.path());
  const ChannelId id = opened->store->new_channel_id(Durability::disk);
  REQUIRE(commit_now(*opened->store, rows(id, "incidents", 1, 3)));
  const Epoch epoch = epoch_of(*opened->store);
  if (fs::space(folder.path()).available < 16 * kWalBytes) return;  // nothing is filled on a small disk
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (fs::file_size(folder.file("log.db-wal")) < kWalBytes && std::chrono::steady_clock::now() < give_up)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(fs::file_size(folder.file("log.db-wal")) >= kWalBytes);
  REQUIRE(commit_now(*opened->store, rows(id, "incidents", 4, 5)));
  TempFolder crashed;  // what a kill leaves behind
  for (const char* name : {"log.db", "log.db-wal", "COMMITS", "CLUSTER"})
    fs::copy_file(folder.file(name), crashed.file(name));
  auto again = must_open(crashed.path());
  CHECK(epoch_of(*again->store) == epoch);
  CHECK(again->store->read_after(id, 0, 10, 1 << 20)->size() == 5);
  REQUIRE(commit_now(*again->store, rows(id, "incidents", 6, 6)));
}

TEST_CASE("an acknowledged tail that is gone gives the channel a new epoch") {
  TempFolder folder;
  {
    auto opened = must_open(folder.path());
    const ChannelId id = opened->store->new_channel_id(Durability::disk);
    REQUIRE(commit_now(*opened->store, rows(id, "incidents", 1, 5)));
  }
  SUBCASE("rows were cut off the log") {
    alter(folder, "DELETE FROM log WHERE offset > 3");
    auto opened = must_open(folder.path());
    const auto channel = opened->store->channels()->front();
    CHECK(channel.epoch != Epoch{7});
    CHECK(channel.last == 3);
  }
  SUBCASE("an older copy of the database was put in place") {
    const std::string copy = folder.file("copy.db");
    fs::copy_file(folder.file("log.db"), copy);
    {
      auto opened = must_open(folder.path());
      CHECK(epoch_of(*opened->store) == Epoch{7});
      const ChannelId id = opened->store->channels()->front().id;
      REQUIRE(commit_now(*opened->store, rows(id, "incidents", 6, 6)));
    }
    fs::remove(folder.file("log.db-wal"));
    fs::rename(copy, folder.file("log.db"));
    Epoch renewed{};
    {
      auto opened = must_open(folder.path());
      renewed = epoch_of(*opened->store);
      CHECK(renewed != Epoch{7});
      CHECK(opened->store->channels()->front().last == 5);
    }
    auto again = must_open(folder.path());
    CHECK(epoch_of(*again->store) == renewed);  // once, not at every start
  }
  SUBCASE("the log was put into a new folder (F-10)") {
    TempFolder other;
    fs::copy_file(folder.file("log.db"), other.file("log.db"));
    Epoch renewed{};
    {
      auto opened = must_open(other.path());
      renewed = epoch_of(*opened->store);
      CHECK(renewed != Epoch{7});
    }
    CHECK(epoch_of(*must_open(other.path())->store) == renewed);
  }
  SUBCASE("a restore left its marker") {
    std::ofstream(folder.file("RESTORED")) << "x";
    {
      auto opened = must_open(folder.path());
      CHECK(epoch_of(*opened->store) != Epoch{7});
    }
    CHECK_FALSE(fs::exists(folder.file("RESTORED")));
  }
}

TEST_CASE("a folder that cannot be used is refused in a sentence that says what to do") {
  TempFolder folder;
  SUBCASE("another broker has it") {
    auto first = must_open(folder.path());
    const auto second = open(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::io);
    CHECK(second.error().detail.find("in use by another broker") != std::string::npos);
  }
  SUBCASE("it is another cluster's") {
    { auto first = must_open(folder.path()); }
    const auto second = open(folder.path(), 0, "elsewhere");
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::conflict);
    CHECK(second.error().detail.find("belongs to cluster made-up") != std::string::npos);
    CHECK(open(folder.path(), 0, "made-up"));
  }
  SUBCASE("its schema is newer") {
    { auto first = must_open(folder.path()); }
    alter(folder, "PRAGMA user_version = 99");
    const auto second = open(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::newer_schema);
    CHECK(second.error().detail.find("run the newer broker") != std::string::npos);
  }
  SUBCASE("it had a log that is gone (F-17)") {
    { auto first = must_open(folder.path()); }
    for (const char* side : {"log.db", "log.db-wal", "log.db-shm"}) fs::remove(folder.file(side));
    SUBCASE("missing") {}
    SUBCASE("emptied") { std::ofstream{folder.file("log.db")}; }
    const bool there = fs::exists(folder.file("log.db"));
    const auto second = open(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::corrupt);
    CHECK(second.error().detail.find("is missing or empty") != std::string::npos);
    CHECK(fs::exists(folder.file("log.db")) == there);  // unchanged
    fs::remove(folder.file("CLUSTER"));
    CHECK(open(folder.path()));  // what the message says
  }
  SUBCASE("its log has lost its tables (F-17)") {
    { auto first = must_open(folder.path()); }
    for (const char* side : {"log.db", "log.db-wal", "log.db-shm"}) fs::remove(folder.file(side));
    {
      auto db = Db::open(folder.file("log.db"), Db::Mode::create);
      REQUIRE(db);
      REQUIRE(db->run("CREATE TABLE other(x); DROP TABLE other"));
    }
    const auto second = open(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().detail.find("its tables are gone") != std::string::npos);
  }
  SUBCASE("its log is no database") {
    std::ofstream(folder.file("log.db")) << std::string(8192, 'x');
    const auto second = open(folder.path());
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Errc::corrupt);
    CHECK(second.error().detail.find("restore it from a backup") != std::string::npos);
  }
  SUBCASE("its log is some other database") {
    {
      auto db = Db::open(folder.file("log.db"), Db::Mode::create);
      REQUIRE(db);
      REQUIRE(db->run("CREATE TABLE other(x)"));
    }
    CHECK(open(folder.path()).error().code == Errc::corrupt);
  }
  SUBCASE("it is read-only") {
    if (::geteuid() == 0) return;  // root writes anywhere
    ::chmod(folder.path().c_str(), 0500);
    const auto opened = open(folder.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().detail.find("make it writable") != std::string::npos);
  }
  SUBCASE("its path is a file") {
    std::ofstream(folder.file("plain")) << "x";
    CHECK(open(folder.file("plain")).error().code == Errc::io);
  }
}

TEST_CASE("a batch that does not fit on the disk leaves nothing behind, and smaller ones still commit") {
  TempFolder folder;
  auto opened = must_open(folder.path(), 1'000'000);
  LogStore& store = *opened->store;
  const ChannelId id = store.new_channel_id(Durability::disk);
  REQUIRE(commit_now(store, rows(id, "incidents", 1, 2)));
  Batch big = rows(id, "incidents", 3, 4);
  big.appends.back().record.bytes = std::make_shared<const std::string>(2'000'000, 'x');
  const Status full = commit_now(store, std::move(big));
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::disk_full);
  CHECK(store.channels()->front().last == 2);
  CHECK(store.read_after(id, 0, 10, 1000)->size() == 2);
  REQUIRE(commit_now(store, rows(id, "incidents", 3, 3)));  // the offset was never given away
  CHECK(store.read_after(id, 0, 10, 1000)->size() == 3);
}

TEST_CASE("a row that is missing in the middle is reported as damage") {
  TempFolder folder;
  {
    auto opened = must_open(folder.path());
    const ChannelId id = opened->store->new_channel_id(Durability::disk);
    REQUIRE(commit_now(*opened->store, rows(id, "incidents", 1, 5)));
  }
  alter(folder, "DELETE FROM log WHERE offset = 3");
  auto opened = must_open(folder.path());
  const auto page = opened->store->read_after(opened->store->channels()->front().id, 0, 10, 1000);
  REQUIRE_FALSE(page);
  CHECK(page.error().code == Errc::corrupt);
}
