#include "broker/backup/rebuild.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "broker/log/sqlite_schema.h"

namespace tocsin::broker::backup {
namespace {

void remove_database(const std::string& path) {
  for (const char* ending : {"", "-wal", "-shm", "-journal"}) ::unlink((path + ending).c_str());
}

/// Names from an archive reach SQL only when the schema has them.
Result<bool> has_columns(Db& db, const Table& table) {
  auto query = Statement::prepare(db, "SELECT count(*) FROM pragma_table_info(?1) WHERE name=?2");
  if (!query) return query.error();
  for (const std::string& column : table.columns) {
    const Use asking(*query);
    const auto row = query->text(1, table.name).text(2, column).step();
    if (!row) return row.error();
    if (!*row || query->integer(0) != 1) return false;
  }
  return !table.columns.empty();
}

}  // namespace

Result<ChannelHeads> channel_heads(Db& db) {
  ChannelHeads out;
  auto query = Statement::prepare(db, "SELECT name, epoch, last FROM channel");
  if (!query) return query.error();
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    out[std::string(query->bytes(0))] = {query->integer(1), query->integer(2)};
  }
}

Rebuild::Rebuild(Rebuild&& other) noexcept
    : path_(std::exchange(other.path_, {})), db_(std::move(other.db_)), inserts_(std::move(other.inserts_)) {
  other.db_.reset();
}

Rebuild::~Rebuild() {
  inserts_.clear();  // statements before their database
  db_.reset();
  if (!path_.empty()) remove_database(path_);
}

Result<Rebuild> Rebuild::begin(std::string path) {
  remove_database(path);
  auto db = Db::open(path, Db::Mode::create);
  if (!db) return db.error();
  Rebuild out(std::move(path), *std::move(db));
  // Nobody reads the file before it is whole and synced: it needs no journal.
  if (auto s = out.db_->run("PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                            "PRAGMA cache_size=-65536; PRAGMA locking_mode=EXCLUSIVE");
      !s)
    return s.error();
  if (auto s = create_schema(*out.db_); !s) return s.error();
  if (auto s = out.db_->run("DELETE FROM counter; BEGIN"); !s) return s.error();
  return out;
}

Status Rebuild::take_head(const Head& head) {
  for (const Table& table : head.tables) {
    const auto known = has_columns(*db_, table);
    if (!known) return known.error();
    if (!*known)
      return Error{Errc::corrupt, "it has a table \"" + table.name + "\" that no log of this program has"};
    std::string sql = "INSERT INTO \"" + table.name + "\"(", values;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      sql.append(i == 0 ? "\"" : ",\"").append(table.columns[i]).append("\"");
      values.append(i == 0 ? "?" : ",?").append(std::to_string(i + 1));
    }
    auto insert = Statement::prepare(*db_, sql + ") VALUES(" + values + ")");
    if (!insert) return insert.error();
    inserts_.push_back(*std::move(insert));
  }
  return Done{};
}

Status Rebuild::take_row(const Row& row) {
  Statement& insert = inserts_[row.table];
  int at = 0;
  for (const Cell& cell : row.cells) {
    ++at;
    if (const auto* number = std::get_if<std::int64_t>(&cell))
      insert.integer(at, *number);
    else if (const auto* bytes = std::get_if<Bytes>(&cell))
      bytes->text ? insert.text(at, bytes->bytes) : insert.blob(at, bytes->bytes);
    else
      insert.null(at);
  }
  return insert.run();
}

Result<std::uint64_t> Rebuild::finish(const ChannelHeads& known,
                                      const std::function<std::uint64_t()>& random) {
  if (auto s =
          db_->run("DELETE FROM log WHERE offset < (SELECT row_first FROM channel WHERE id = log.channel_id)"
                   " OR offset > (SELECT last FROM channel WHERE id = log.channel_id)");
      !s)
    return s.error();
  const auto heads = channel_heads(*db_);
  if (!heads) return heads.error();
  auto update = Statement::prepare(*db_, "UPDATE channel SET epoch=?2 WHERE name=?1");
  if (!update) return update.error();
  std::uint64_t changed = 0;
  for (const auto& [name, head] : *heads) {
    const auto same = known.find(name);
    if (same != known.end() && same->second == head) continue;
    if (auto s = update->text(1, name).integer(2, random() | 1U).run(); !s) return s.error();
    ++changed;
  }
  *update = Statement();
  if (auto s = db_->run("COMMIT"); !s) return s.error();
  inserts_.clear();
  db_.reset();
  if (auto s = sync(); !s) return s.error();
  return changed;
}

Status Rebuild::sync() const {
  const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fchmod(fd, 0600) == 0 && ::fsync(fd) == 0;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (synced) return Done{};
  const bool full = why == ENOSPC || why == EDQUOT || why == EFBIG;
  return Error{full ? Errc::disk_full : Errc::io, path_ + ": " + std::strerror(why)};
}

}  // namespace tocsin::broker::backup
