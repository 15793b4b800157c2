#include "broker/log/sqlite_schema.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include "common/log/log.h"

namespace tocsin::broker {
namespace {

constexpr const char* kCreate = R"(
BEGIN IMMEDIATE;
CREATE TABLE channel(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL, first INTEGER NOT NULL,
  row_first INTEGER NOT NULL, last INTEGER NOT NULL, bytes_total INTEGER NOT NULL);
CREATE TABLE log(channel_id INTEGER NOT NULL, offset INTEGER NOT NULL, event_id TEXT NOT NULL, stored_ms INTEGER NOT NULL,
  bytes_total INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY(channel_id, offset)) WITHOUT ROWID;
CREATE TABLE incident(channel_id INTEGER NOT NULL, key TEXT NOT NULL, offset INTEGER NOT NULL, json BLOB NOT NULL,
  PRIMARY KEY(channel_id, key)) WITHOUT ROWID;
CREATE TABLE session(id TEXT NOT NULL PRIMARY KEY, fence INTEGER NOT NULL, edge TEXT NOT NULL, instance INTEGER NOT NULL,
  connected INTEGER NOT NULL, expires_ms INTEGER NOT NULL, record BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX session_expiry ON session(expires_ms);
CREATE TABLE setting(name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counter(id INTEGER PRIMARY KEY CHECK (id = 1), commits INTEGER NOT NULL);
INSERT INTO counter VALUES(1, 0);
PRAGMA user_version = 1;
COMMIT;
)";

Error explain(const Error& error, const std::string& path) {
  if (error.code == Errc::corrupt)
    return {Errc::corrupt,
            "the log " + path + " is damaged (" + error.detail + "); restore it from a backup"};
  if (error.code == Errc::disk_full)
    return {Errc::disk_full, "no space left for the log " + path + "; free some"};
  return {error.code, "cannot use the log " + path + ": " + error.detail};
}

/// A log that vanished is not a new one: what was acknowledged in it must not be forgotten without a word.
Status check_present(const DataFolder& folder, const std::string& path) {
  std::error_code ec;
  if (!folder.established() || (std::filesystem::file_size(path, ec) > 0 && !ec)) return Done{};
  return Error{
      Errc::corrupt,
      "the log " + path +
          " is missing or empty, but the file CLUSTER beside it says that there was one; "
          "put a backup in its place (ops/runbook/backup.md), or remove CLUSTER to begin a new log without what was kept"};
}

Status settle_schema(Db& db, const DataFolder& folder, const std::string& path) {
  const auto version = db.number("PRAGMA user_version");
  if (!version) return version.error();
  if (*version > kSchemaVersion)
    return Error{Errc::newer_schema, "the log " + path + " has schema " + std::to_string(*version) +
                                         ", this broker knows up to " + std::to_string(kSchemaVersion) +
                                         "; run the newer broker"};
  if (*version == kSchemaVersion) return Done{};
  const auto tables = db.number("SELECT count(*) FROM sqlite_schema");
  if (!tables) return tables.error();
  if (*tables != 0) return Error{Errc::corrupt, "not a log of Tocsin"};
  if (folder.established()) return Error{Errc::corrupt, "its tables are gone"};
  return db.run(kCreate);
}

struct Extent {
  std::int64_t id;
  std::int64_t row_first;
  std::int64_t last;
  std::int64_t newest;  ///< in the log table; 0: none
};

/// One index probe a channel: no row of the log is read.
Result<std::vector<Extent>> extents(Db& db) {
  auto query = Statement::prepare(
      db,
      "SELECT id, row_first, last, coalesce((SELECT max(offset) FROM log WHERE channel_id = channel.id), 0) FROM channel");
  if (!query) return query.error();
  std::vector<Extent> out;
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    out.push_back({query->integer(0), query->integer(1), query->integer(2), query->integer(3)});
  }
}

/// A new epoch keeps offsets, rows and state: what is known stays known, but old positions prove nothing any
/// more.
Status settle_epochs(Db& db, DataFolder& folder, const std::function<std::uint64_t()>& random) {
  const auto commits = db.number("SELECT commits FROM counter");
  if (!commits) return commits.error();
  const bool restored = folder.restored(static_cast<std::uint64_t>(*commits));
  auto channels = extents(db);
  if (!channels) return channels.error();
  std::erase_if(*channels,
                [&](const Extent& e) { return !restored && (e.newest == e.last || e.last < e.row_first); });
  if (!channels->empty()) {
    log::warn("acknowledged updates may be missing: channels get new epochs",
              {{"channels", channels->size()}, {"restored", restored}});
    auto update = Statement::prepare(
        db,
        "UPDATE channel SET epoch=?2, last=?3, row_first=min(row_first, ?3 + 1), first=min(first, ?3 + 1) WHERE id=?1");
    if (!update) return update.error();
    if (auto s = db.run("BEGIN IMMEDIATE"); !s) return s;
    for (const Extent& e : *channels) {
      const std::int64_t last = e.last < e.row_first ? e.last : e.newest;
      if (auto s = update->integer(1, e.id).integer(2, random() | 1U).integer(3, last).run(); !s) return s;
    }
    if (auto s = db.run("COMMIT"); !s) return s;
  }
  if (restored) folder.note_commit(static_cast<std::uint64_t>(*commits));
  folder.forget_restored();
  return Done{};
}

Status limit_size(Db& db, std::int64_t max_bytes) {
  if (max_bytes == 0) return Done{};
  const auto page = db.number("PRAGMA page_size");
  if (!page) return page.error();
  const std::string sql =
      "PRAGMA max_page_count=" + std::to_string(std::max<std::int64_t>(1, max_bytes / *page));
  return db.run(sql.c_str());
}

}  // namespace

Status create_schema(Db& db) { return db.run(kCreate); }

Result<Db> open_database(DataFolder& folder, const std::function<std::uint64_t()>& random,
                         std::int64_t max_bytes) {
  const std::string path = folder.database();
  if (auto there = check_present(folder, path); !there) return there.error();
  auto db = Db::open(path, Db::Mode::create);
  if (!db) return explain(db.error(), path);
  // Pages of 8 KiB hold a row of the log whole, where 4 KiB would spill most of them into pages of their own.
  // The WAL is copied back every 4,000 pages (32 MB): a bound on recovery, and rare enough not to be felt by
  // publishers.
  const Status ready = [&]() -> Status {
    if (auto s = db->run(
            "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
            "PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=67108864");
        !s)
      return s;
    if (auto s = settle_schema(*db, folder, path); !s) return s;
    if (auto s = limit_size(*db, max_bytes); !s) return s;
    if (auto s = settle_epochs(*db, folder, random); !s) return s;
    return folder.establish();
  }();
  if (!ready) return ready.error().code == Errc::newer_schema ? ready.error() : explain(ready.error(), path);
  return db;
}

}  // namespace tocsin::broker
