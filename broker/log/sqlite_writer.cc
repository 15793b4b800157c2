#include "broker/log/sqlite_writer.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tocsin::broker {
namespace {
constexpr std::uint64_t raw(ChannelId id) noexcept { return static_cast<std::uint64_t>(id); }
constexpr std::uint64_t raw(Epoch e) noexcept { return static_cast<std::uint64_t>(e); }
}  // namespace

Result<SqliteWriter> SqliteWriter::make(Db db) {
  SqliteWriter w(std::move(db));
  const auto commits = w.db_.number("SELECT commits FROM counter");
  if (!commits) return commits.error();
  w.commits_ = static_cast<std::uint64_t>(*commits);
  const auto rows = std::to_array<std::pair<Statement*, const char*>>({
      {&w.begin_, "BEGIN IMMEDIATE"},
      {&w.end_, "COMMIT"},
      {&w.undo_, "ROLLBACK"},
      {&w.count_, "UPDATE counter SET commits=?1"},
      {&w.channel_,
       "INSERT INTO channel VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT(id) DO UPDATE SET epoch=?3, first=?4, row_first=?5, last=?6, bytes_total=?7"},
      {&w.append_, "INSERT INTO log VALUES(?1,?2,?3,?4,?5,?6)"},
      {&w.trim_, "DELETE FROM log WHERE channel_id=?1 AND offset<?2"},
      {&w.incident_, "INSERT OR REPLACE INTO incident VALUES(?1,?2,?3,?4)"},
      {&w.session_, "INSERT OR REPLACE INTO session VALUES(?1,?2,?3,?4,?5,?6,?7)"},
      {&w.touch_,
       "UPDATE session SET expires_ms=max(expires_ms,?3) WHERE edge=?1 AND instance=?2 AND connected=1"},
      {&w.drop_, "DELETE FROM session WHERE id=?1"},
      {&w.setting_, "INSERT OR REPLACE INTO setting VALUES(?1,?2)"},
  });
  for (const auto& [statement, sql] : rows) {
    auto prepared = Statement::prepare(w.db_, sql);
    if (!prepared) return prepared.error();
    *statement = *std::move(prepared);
  }
  return w;
}

Result<std::uint64_t> SqliteWriter::commit(const Batch& batch) {
  if (auto s = begin_.run(); !s) return s.error();
  Status done = write(batch);
  if (done) done = count_.integer(1, commits_ + 1).run();
  if (done) done = end_.run();
  if (!done) {
    (void)undo_.run();  // fails when SQLite has rolled back by itself: the same outcome
    return done.error();
  }
  return ++commits_;
}

Status SqliteWriter::write(const Batch& batch) {
  for (const auto& c : batch.channels) {
    channel_.integer(1, raw(c.id))
        .text(2, c.name)
        .integer(3, raw(c.epoch))
        .integer(4, c.first)
        .integer(5, c.row_first);
    if (auto s = channel_.integer(6, c.last).integer(7, c.bytes_total).run(); !s) return s;
  }
  for (const auto& a : batch.appends) {
    append_.integer(1, raw(a.channel))
        .integer(2, a.record.offset)
        .text(3, a.event_id)
        .integer(4, a.stored_ms);
    if (auto s = append_.integer(5, a.bytes_total).blob(6, *a.record.bytes).run(); !s) return s;
  }
  if (auto s = write_incidents(batch); !s) return s;
  for (const auto& c : batch.channels)
    if (c.row_first > 1)
      if (auto s = trim_.integer(1, raw(c.id)).integer(2, c.row_first).run(); !s) return s;
  return write_sessions(batch);
}

/// Of an incident that changed several times only the last state, and in the table's order: neighbours share
/// pages.
Status SqliteWriter::write_incidents(const Batch& batch) {
  const auto& rows = batch.incidents;
  const auto place = [&rows](std::size_t i) {
    return std::pair<std::uint64_t, std::string_view>(raw(rows[i].first), rows[i].second.key);
  };
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return place(a) < place(b); });
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i + 1 < order.size() && place(order[i]) == place(order[i + 1])) continue;
    const auto& [channel, row] = rows[order[i]];
    if (auto s = incident_.integer(1, raw(channel))
                     .text(2, row.key)
                     .integer(3, row.offset)
                     .blob(4, *row.json)
                     .run();
        !s)
      return s;
  }
  return Done{};
}

Status SqliteWriter::write_sessions(const Batch& batch) {
  for (const auto& row : batch.sessions) {
    session_.text(1, row.id).integer(2, row.fence).text(3, row.edge).integer(4, row.instance);
    session_.integer(5, std::int64_t{row.connected ? 1 : 0}).integer(6, row.expires_ms).blob(7, row.record);
    if (auto s = session_.run(); !s) return s;
  }
  for (const auto& t : batch.session_touches)
    if (auto s = touch_.text(1, t.edge).integer(2, t.instance).integer(3, t.expires_ms).run(); !s) return s;
  for (const auto& id : batch.session_drops)
    if (auto s = drop_.text(1, id).run(); !s) return s;
  for (const auto& [name, value] : batch.settings)
    if (auto s = setting_.text(1, name).blob(2, value).run(); !s) return s;
  return Done{};
}

}  // namespace tocsin::broker
