// Backups: B-n are clauses of broker/backup/FORMAT.md, F-n of broker/log/FORMAT.md.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "broker/backup/create.h"
#include "broker/backup/rebuild.h"
#include "broker/backup/restore.h"
#include "broker/backup/schedule.h"
#include "broker/backup/shelf.h"
#include "broker/backup/tar.h"
#include "broker/backup/verify.h"
#include "broker/log/sqlite_log_store.h"
#include "tests/unit/broker/log_store_suite.h"

using namespace tocsin;
using namespace tocsin::broker;
using namespace tocsin::broker::testing;
namespace fs = std::filesystem;

namespace {

class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "tocsin-backup-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TempFolder() { fs::remove_all(path_); }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::string path() const { return path_.string(); }
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(path_)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  fs::path path_;
};

std::uint64_t counting() {
  static std::uint64_t n = 1000;
  return ++n;
}

/// A broker's folder with its store, until close().
class Log {
 public:
  explicit Log(const std::string& path, const std::string& cluster = "made-up") {
    auto claimed = DataFolder::claim(path, "", cluster);
    REQUIRE_MESSAGE(claimed, (claimed ? "" : claimed.error().detail));
    folder_ = std::make_unique<DataFolder>(*std::move(claimed));
    auto store = SqliteLogStore::open(*folder_, {0, counting});
    REQUIRE_MESSAGE(store, (store ? "" : store.error().detail));
    store_ = *std::move(store);
  }
  void close() {
    store_.reset();
    folder_.reset();
  }
  SqliteLogStore& operator*() { return *store_; }
  SqliteLogStore* operator->() { return store_.get(); }

  /// Offsets from..to of the channel, with an incident and a session.
  void append(const std::string& channel, Offset from, Offset to) {
    if (!ids_.contains(channel)) ids_[channel] = store_->new_channel_id(Durability::disk);
    Batch batch = rows(ids_[channel], channel, from, to);
    batch.incidents.emplace_back(ids_[channel],
                                 incident("a", to, R"({"title":")" + std::to_string(to) + "\"}"));
    batch.sessions.push_back({"s-" + channel, 3, "edge-0", 1, true, 5, std::string("\0\1record", 8)});
    batch.settings.emplace_back("ticket_keys", "secret");
    REQUIRE(commit_now(*store_, std::move(batch)));
  }
  ChannelMeta meta_of(const std::string& channel) {
    const auto channels = store_->channels();
    REQUIRE(channels);
    for (const ChannelMeta& meta : *channels)
      if (meta.name == channel) return meta;
    FAIL("no channel " << channel);
    return {};
  }
  Offset last(const std::string& channel) { return meta_of(channel).last; }

 private:
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<SqliteLogStore> store_;
  std::map<std::string, ChannelId> ids_;
};

Result<backup::Created> make(const TempFolder& data, const TempFolder& to) {
  return backup::create({data.path(), to.path(), 0, 0, nullptr});
}
std::string must_make(const TempFolder& data, const TempFolder& to) {
  const auto made = make(data, to);
  REQUIRE_MESSAGE(made, (made ? "" : made.error().detail));
  return made->path;
}
Result<backup::Restored> put_back(const std::string& archive, const std::string& data,
                                  backup::OtherCluster other = backup::OtherCluster::refuse) {
  return backup::restore({archive, data, other, counting});
}
std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

TEST_CASE("B-1 B-3 a backup made beside the running store is whole, private, and says what is in it") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 3'000);
  log.append("tenant-7/x", 1, 5);
  const auto made = make(data, to);
  REQUIRE_MESSAGE(made, (made ? "" : made.error().detail));
  CHECK(made->manifest.updates == 3'005);
  CHECK(made->manifest.channels == 2);
  CHECK(made->manifest.incidents == 2);
  CHECK(made->manifest.sessions == 2);
  CHECK(made->manifest.cluster == "made-up");
  CHECK(made->file_bytes == fs::file_size(made->path));
  struct stat info {};
  REQUIRE(::stat(made->path.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600U);
  const auto judged = backup::verify(made->path);
  REQUIRE_MESSAGE(judged, (judged ? "" : judged.error().detail));
  CHECK(judged->to_json() == made->manifest.to_json());
  CHECK(to.names().size() == 1);
}

TEST_CASE("B-8 a backup under load is one moment: its channels end where its incidents do") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 10'000);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> last{10'000};
  std::vector<std::string> archives;
  std::thread backups([&] {
    for (int i = 0; i < 5; ++i) {
      const auto made = make(data, to);
      if (made) archives.push_back(made->path);
    }
    stop = true;
  });
  while (!stop) {
    const Offset from = last + 1;
    log.append("incidents", from, from + 99);
    last = from + 99;
  }
  backups.join();
  REQUIRE(archives.size() == 5);
  log.close();
  for (const std::string& archive : archives) {
    TempFolder restored;
    REQUIRE(put_back(archive, restored.path()));
    Log again(restored.path());
    const ChannelMeta meta = again.meta_of("incidents");
    CHECK(again->incident(meta.id, "a")->value().offset == meta.last);
    CHECK(again->read_after(meta.id, 0, 1'000'000, 1U << 30U)->size() == meta.last);
  }
}

TEST_CASE("B-9 rows that the log dropped are not restored") {
  TempFolder data, to, restored;
  Log log(data.path());
  log.append("incidents", 1, 100);
  Batch trim;
  ChannelMeta meta = log.meta_of("incidents");
  meta.first = meta.row_first = 41;
  trim.channels.push_back(meta);
  REQUIRE(commit_now(*log, std::move(trim)));
  const std::string archive = must_make(data, to);
  REQUIRE(put_back(archive, restored.path()));
  Log again(restored.path());
  CHECK(again.meta_of("incidents").row_first == 41);
  CHECK(again->read_after(again.meta_of("incidents").id, 40, 1000, 1U << 20U)->size() == 60);
  CHECK_FALSE(again->mark(again.meta_of("incidents").id, 40));
}

TEST_CASE("B-10 a log with a hole is not passed off as a backup") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 100);
  log.close();
  auto db = Db::open(data.file("log.db"), Db::Mode::write);
  REQUIRE(db);
  REQUIRE(db->run("DELETE FROM log WHERE offset=50"));
  const auto made = make(data, to);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == Errc::corrupt);
  CHECK(made.error().detail.find("incidents") != std::string::npos);
  CHECK(to.names().empty());
}

TEST_CASE("B-13 after a restore a channel that lost something has a new epoch, one that did not goes on") {
  TempFolder data, to;
  Log log(data.path());
  log.append("lost", 1, 50);
  log.append("kept", 1, 50);
  const Epoch lost = log.meta_of("lost").epoch, kept = log.meta_of("kept").epoch;
  const std::string archive = must_make(data, to);
  log.append("lost", 51, 60);
  log.close();
  const auto done = put_back(archive, data.path());
  REQUIRE_MESSAGE(done, (done ? "" : done.error().detail));
  CHECK(done->new_epochs == 1);
  CHECK(done->kept_epochs == 1);
  Log again(data.path());
  CHECK(again.last("lost") == 50);
  CHECK(again.meta_of("lost").epoch != lost);
  CHECK(again.meta_of("kept").epoch == kept);
  CHECK(again->session("s-lost")->value().record == std::string("\0\1record", 8));
  CHECK(again->setting("ticket_keys")->value() == "secret");
  CHECK(again->incident(again.meta_of("lost").id, "a")->value().offset == 50);
  // What was there before is kept.
  CHECK(fs::exists(done->set_aside + "/log.db"));
}

TEST_CASE("B-13 in an empty folder nothing is proven: every channel has a new epoch, once") {
  TempFolder data, to, other;
  Log log(data.path());
  log.append("incidents", 1, 5);
  const Epoch old = log.meta_of("incidents").epoch;
  const std::string archive = must_make(data, to);
  const auto done = put_back(archive, other.file("new"));
  REQUIRE_MESSAGE(done, (done ? "" : done.error().detail));
  CHECK(done->new_epochs == 1);
  CHECK(done->set_aside.empty());
  Epoch fresh{};
  {
    Log again(other.file("new"));
    fresh = again.meta_of("incidents").epoch;
    CHECK(fresh != old);
  }
  Log twice(other.file("new"));
  CHECK(twice.meta_of("incidents").epoch == fresh);
}

TEST_CASE("B-13 a folder that was itself put back behind its broker's back proves nothing") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 5);
  const Epoch old = log.meta_of("incidents").epoch;
  const std::string archive = must_make(data, to);
  log.close();
  write(data.file("RESTORED"), "");
  const auto done = put_back(archive, data.path());
  REQUIRE(done);
  CHECK(done->new_epochs == 1);
  Log again(data.path());
  CHECK(again.meta_of("incidents").epoch != old);
  CHECK_FALSE(fs::exists(data.file("RESTORED")));
}

TEST_CASE(
    "B-4 what is no backup, cut short, damaged or newer is refused by its reason, and changes nothing") {
  TempFolder data, to, bad;
  Log log(data.path());
  log.append("incidents", 1, 500);
  const std::string archive = must_make(data, to), whole = content(archive);
  log.append("incidents", 501, 600);
  log.close();
  const auto before = data.names();
  const std::string before_log = content(data.file("log.db"));
  const auto refused = [&](const std::string& bytes, Errc code, const char* word) {
    const std::string path = bad.file("x.tar");
    write(path, bytes);
    const auto done = put_back(path, data.path());
    REQUIRE_FALSE(done);
    CHECK(done.error().code == code);
    CHECK_MESSAGE(done.error().detail.find(word) != std::string::npos, done.error().detail);
    CHECK(data.names() == before);
    CHECK(content(data.file("log.db")) == before_log);
  };
  SUBCASE("nothing at all") { refused("", Errc::corrupt, "not a backup"); }
  SUBCASE("some text") { refused(std::string(5'000, 'x'), Errc::corrupt, "not a backup"); }
  SUBCASE("a tar of other things") {
    refused(backup::tar_header("notes.txt", 4, 0) + std::string(1'536, 'x'), Errc::corrupt, "not a backup");
  }
  SUBCASE("cut short anywhere") {
    for (const std::size_t size : {whole.size() / 2, whole.size() - 3'000, std::size_t{600}})
      refused(whole.substr(0, size), Errc::corrupt, "cut short");
  }
  SUBCASE("a byte changed in the rows") {
    for (const std::size_t at : {std::size_t{520}, whole.size() / 3}) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ 0x20);
      refused(changed, Errc::corrupt, "damaged");
    }
  }
  SUBCASE("a manifest that says more than there is") {
    std::string changed = whole;
    changed.replace(changed.find("\"updates\":500"), 13, "\"updates\":501");
    refused(changed, Errc::corrupt, "damaged");
  }
  SUBCASE("of a version to come") {
    std::string changed = whole;
    changed.replace(changed.find("\"version\":1"), 11, "\"version\":2");
    refused(changed, Errc::newer_schema, "newer program");
  }
  SUBCASE("no file") {
    const auto done = put_back(bad.file("none.tar"), data.path());
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::not_found);
  }
}

TEST_CASE("B-11 a folder in use, of another cluster, or of somebody else is left alone") {
  TempFolder data, to, other;
  Log log(data.path());
  log.append("incidents", 1, 5);
  const std::string archive = must_make(data, to);
  SUBCASE("its broker runs") {
    const auto done = put_back(archive, data.path());
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::io);
    CHECK(done.error().detail.find("in use by another broker") != std::string::npos);
  }
  SUBCASE("another cluster's, unless it is meant") {
    Log theirs(other.path(), "theirs");
    theirs.append("incidents", 1, 2);
    theirs.close();
    const auto done = put_back(archive, other.path());
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::conflict);
    CHECK(Log(other.path(), "theirs").last("incidents") == 2);
    REQUIRE(put_back(archive, other.path(), backup::OtherCluster::take));
    CHECK(Log(other.path(), "theirs").last("incidents") == 5);
    CHECK(content(other.file("CLUSTER")) == "theirs\n");
  }
  SUBCASE("somebody's home") {
    write(other.file("letters.txt"), "dear");
    const auto done = put_back(archive, other.path());
    REQUIRE_FALSE(done);
    CHECK(done.error().code == Errc::invalid_argument);
    CHECK(other.names() == std::vector<std::string>{"letters.txt"});
  }
}

TEST_CASE(
    "B-12 a restore that was killed in the middle is repeated, and nothing is taken for a log meanwhile") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 5);
  const std::string archive = must_make(data, to);
  log.close();
  // The worst moment: the old log is set aside, the new one is not in place.
  fs::create_directory(data.file("before-restore-x"));
  fs::rename(data.file("log.db"), data.file("before-restore-x/log.db"));
  write(data.file("log.db.restoring"), "half of it");
  auto folder = DataFolder::claim(data.path(), "", "x");
  REQUIRE(folder);
  CHECK_FALSE(SqliteLogStore::open(*folder, {0, counting}));
  { const DataFolder gone = *std::move(folder); }
  REQUIRE(put_back(archive, data.path()));
  CHECK(Log(data.path()).last("incidents") == 5);
  CHECK_FALSE(fs::exists(data.file("log.db.restoring")));
}

TEST_CASE("a backup with no room, no folder or no log says so and leaves nothing") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 50);
  const auto with_reserve = backup::create({data.path(), to.path(), 0, std::uint64_t{1} << 60U, nullptr});
  REQUIRE_FALSE(with_reserve);
  CHECK(with_reserve.error().code == Errc::disk_full);
  CHECK(with_reserve.error().detail.find("backup.reserve_mb") != std::string::npos);
  CHECK(to.names().empty());
  write(to.file("file"), "");
  CHECK(backup::create({data.path(), to.file("file"), 0, 0, nullptr}).error().code == Errc::io);
  CHECK(backup::create({to.path(), to.file("new"), 0, 0, nullptr}).error().code == Errc::not_found);
  const std::atomic<bool> cancelled{true};
  CHECK(backup::create({data.path(), to.path(), 0, 0, &cancelled}).error().code == Errc::timeout);
  CHECK(to.names() == std::vector<std::string>{"file"});
}

TEST_CASE("pruning keeps the newest, by number or age, and never touches what is no backup of ours") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 5);
  for (int i = 0; i < 4; ++i) must_make(data, to);
  write(to.file("notes.txt"), "keep");
  write(to.file("tocsin-20200101T000000Z.tar"), "no archive");
  write(to.file("tocsin-x.tar.partial"), "");
  const auto entries = backup::list(to.path());
  REQUIRE(entries);
  REQUIRE(entries->size() == 5);
  CHECK(entries->back().problem.find("not a backup") != std::string::npos);
  const std::int64_t now = entries->front().manifest->created_ms;
  CHECK(backup::prune(to.path(), {2, 0}, now, false)->removed.size() == 2);
  CHECK(backup::list(to.path())->size() == 5);
  const auto pruned = backup::prune(to.path(), {2, 0}, now, true);
  REQUIRE(pruned);
  CHECK(pruned->removed == std::vector<std::string>{(*entries)[2].path, (*entries)[3].path});
  CHECK(pruned->leftovers.empty());  // somebody may be writing it right now
  CHECK(backup::prune(to.path(), {0, 1}, now + 10LL * 86'400'000, true)->removed.size() == 1);
  const auto left = backup::list(to.path());
  CHECK(left->size() == 2);
  CHECK(left->front().path == entries->front().path);
  CHECK(content(to.file("notes.txt")) == "keep");
}

TEST_CASE("a schedule makes a backup when one is due, prunes, and counts those made by hand") {
  TempFolder data, to;
  Log log(data.path());
  log.append("incidents", 1, 5);
  metrics::Registry registry;
  Metrics metrics(registry);
  backup::Schedule::Options options{{data.path(), to.path(), 0, 0, nullptr}, {1, 0}, std::chrono::hours(1)};
  const auto soon = [&](auto condition) {
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < give_up)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return condition();
  };
  {
    const backup::Schedule schedule(options, metrics);
    CHECK(soon([&] { return metrics.backups[0].value() == 1; }));
    CHECK(metrics.backup_newest.value() > 0);
    CHECK(metrics.backup_interval.value() == 3'600);
  }
  {
    const backup::Schedule again(options, metrics);  // it knows from the folder that none is due
    CHECK(soon([&] { return metrics.backup_bytes.value() > 0; }));
  }
  CHECK(metrics.backups[0].value() == 1);
  CHECK(backup::list(to.path())->size() == 1);
  options.request.folder = data.file("LOCK");  // no folder
  const backup::Schedule failing(options, metrics);
  CHECK(soon([&] { return metrics.backups[1].value() == 1; }));
}
