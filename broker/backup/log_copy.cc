#include "broker/backup/log_copy.h"

#include <algorithm>

#include "broker/log/sqlite_schema.h"

namespace tocsin::broker::backup {
namespace {

constexpr std::int64_t kChunkRows = 512;          // of one short read
constexpr std::size_t kChunkBytes = 256U << 10U;  // handed on at once
constexpr std::uint64_t kFew = 2'048;             // rows that may be left for the last part
constexpr int kPasses = 8;                        // of a log that grows as fast as it is read

std::string quoted_name(const std::string& name) { return "\"" + name + "\""; }

}  // namespace

Result<LogCopy> LogCopy::open(const std::string& database, std::string cluster) {
  auto db = Db::open(database, Db::Mode::read);
  if (!db) return db.error();
  LogCopy copy(*std::move(db));
  const auto version = copy.db_.number("PRAGMA user_version");
  if (!version) return version.error();
  if (*version > kSchemaVersion)
    return Error{Errc::newer_schema, "the log " + database + " has schema " + std::to_string(*version) +
                                         ", this program knows up to " + std::to_string(kSchemaVersion) +
                                         "; use the newer program"};
  copy.head_.schema = *version;
  if (auto ok = copy.read_tables(cluster); !ok) return ok.error();
  return copy;
}

Status LogCopy::read_tables(const std::string& cluster) {
  head_.cluster = cluster;
  auto query = Statement::prepare(
      db_,
      "SELECT s.name, c.name FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type='table' AND s.name NOT LIKE 'sqlite_%' ORDER BY s.name, c.cid");
  if (!query) return query.error();
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) break;
    const std::string name(query->bytes(0));
    if (head_.tables.empty() || head_.tables.back().name != name) head_.tables.push_back({name, {}});
    head_.tables.back().columns.emplace_back(query->bytes(1));
  }
  counts_.assign(head_.tables.size(), 0);
  const auto log = std::find_if(head_.tables.begin(), head_.tables.end(),
                                [](const Table& table) { return table.name == "log"; });
  if (log == head_.tables.end() || head_.schema == 0) return Error{Errc::corrupt, "it is no log of Tocsin"};
  log_ = static_cast<std::size_t>(log - head_.tables.begin());
  auto rows = Statement::prepare(
      db_, "SELECT * FROM log WHERE channel_id=?1 AND offset>?2 AND offset<=?3 ORDER BY offset LIMIT ?4");
  if (!rows) return rows.error();
  rows_ = *std::move(rows);
  return Done{};
}

Result<std::map<std::int64_t, LogCopy::Channel>> LogCopy::channels() {
  std::map<std::int64_t, Channel> out;
  auto query = Statement::prepare(db_, "SELECT id, name, epoch, row_first, last FROM channel");
  if (!query) return query.error();
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    out[query->integer(0)] = {std::string(query->bytes(1)), query->integer(2), query->integer(3),
                              query->integer(4)};
  }
}

Status LogCopy::flush() {
  if (pending_.empty()) return Done{};
  auto taken = (*sink_)(pending_);
  pending_.clear();
  return taken;
}

void LogCopy::emit(std::size_t table, Statement& row) {
  Row out{table, {}};
  out.cells.reserve(static_cast<std::size_t>(row.columns()));
  for (int i = 0; i < row.columns(); ++i) switch (row.kind(i)) {
      case Statement::Kind::integer:
        out.cells.emplace_back(row.integer(i));
        break;
      case Statement::Kind::null:
        out.cells.emplace_back();
        break;
      case Statement::Kind::text:
      case Statement::Kind::blob:
        out.cells.emplace_back(Bytes{row.bytes(i), row.kind(i) == Statement::Kind::text});
    }
  append_row(pending_, out);
  ++counts_[table];
}

Status LogCopy::copy_channel(std::int64_t id, const Channel& channel) {
  const auto [known, fresh] = progress_.try_emplace(id);
  Progress& at = known->second;
  if (fresh) at = {channel.epoch, channel.row_first, channel.row_first - 1};
  if (at.epoch != channel.epoch)
    return Error{Errc::conflict, "the log was replaced while it was copied; try again"};
  while (at.done < channel.last) {
    std::int64_t got = 0;
    {
      const Use reading(rows_);  // ends the read, and with it what it holds of the write-ahead log
      rows_.integer(1, id).integer(2, at.done).integer(3, channel.last).integer(4, kChunkRows);
      while (pending_.size() < kChunkBytes) {
        const auto row = rows_.step();
        if (!row) return row.error();
        if (!*row) break;
        const std::int64_t offset = rows_.integer(1);
        if (offset != at.done + 1) at.from = offset;  // older ones were dropped meanwhile, or are missing
        at.done = offset;
        emit(log_, rows_);
        ++got;
      }
    }
    if (auto s = flush(); !s) return s;
    if (got == 0) return Done{};  // judge() says whether that is right
  }
  return Done{};
}

Result<std::uint64_t> LogCopy::copy_log(const std::map<std::int64_t, Channel>& channels) {
  const std::uint64_t before = counts_[log_];
  for (const auto& [id, channel] : channels)
    if (auto s = copy_channel(id, channel); !s) return s.error();
  return counts_[log_] - before;
}

Status LogCopy::judge(const std::map<std::int64_t, Channel>& channels) const {
  for (const auto& [id, channel] : channels) {
    if (channel.last < channel.row_first) continue;  // nothing is kept
    const Progress& at = progress_.at(id);
    if (at.done != channel.last || at.from > channel.row_first)
      return Error{Errc::corrupt, "the log is damaged: channel " + channel.name + " lacks updates between " +
                                      std::to_string(channel.row_first) + " and " +
                                      std::to_string(channel.last) + "; restore it from an older backup"};
  }
  return Done{};
}

Status LogCopy::copy_table(std::size_t table) {
  auto rows = Statement::prepare(db_, "SELECT * FROM " + quoted_name(head_.tables[table].name));
  if (!rows) return rows.error();
  for (;;) {
    const auto row = rows->step();
    if (!row) return row.error();
    if (!*row) return flush();
    emit(table, *rows);
    if (pending_.size() < kChunkBytes) continue;
    if (auto s = flush(); !s) return s;
  }
}

Status LogCopy::copy_moment(Manifest& manifest) {
  const auto commits = db_.number("SELECT commits FROM counter");
  if (!commits) return commits.error();
  manifest.commits = static_cast<std::uint64_t>(*commits);
  const auto now = channels();
  if (!now) return now.error();
  if (const auto copied = copy_log(*now); !copied) return copied.error();
  if (auto whole = judge(*now); !whole) return whole;
  manifest.channels = now->size();
  for (const auto& [id, channel] : *now)
    manifest.updates +=
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, channel.last - channel.row_first + 1));
  for (std::size_t table = 0; table < head_.tables.size(); ++table) {
    if (table == log_) continue;
    if (auto s = copy_table(table); !s) return s;
    if (head_.tables[table].name == "incident") manifest.incidents = counts_[table];
    if (head_.tables[table].name == "session") manifest.sessions = counts_[table];
  }
  return Done{};
}

Status LogCopy::run(const Sink& sink, Manifest& manifest) {
  sink_ = &sink;
  manifest.schema = head_.schema;
  append_head(pending_, head_);
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto now = channels();
    if (!now) return now.error();
    const auto copied = copy_log(*now);
    if (!copied) return copied.error();
    if (*copied < kFew) break;
  }
  // From here on everything is of one moment.
  if (auto s = db_.run("BEGIN"); !s) return s;
  if (auto s = copy_moment(manifest); !s) return s;
  if (auto s = db_.run("COMMIT"); !s) return s;
  append_end(pending_, head_, counts_);
  return flush();
}

}  // namespace tocsin::broker::backup
