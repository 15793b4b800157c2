#include "broker/log/sqlite_snapshot.h"

namespace tocsin::broker {

IncidentRow incident_of(const Statement& row) {
  return {std::string(row.bytes(0)), row.unsigned_integer(1),
          std::make_shared<const std::string>(row.bytes(2))};
}

Result<std::unique_ptr<SnapshotReader>> SqliteSnapshot::open(const std::string& path, ChannelId channel) {
  auto db = Db::open(path, Db::Mode::read);
  if (!db) return db.error();
  std::unique_ptr<SqliteSnapshot> out(new SqliteSnapshot(*std::move(db)));
  if (auto s = out->db_.run("BEGIN"); !s) return s.error();
  auto head = Statement::prepare(out->db_, "SELECT epoch, last FROM channel WHERE id=?1");
  if (!head) return head.error();
  const auto found = head->integer(1, static_cast<std::uint64_t>(channel)).step();
  if (!found) return found.error();
  if (!*found) return Error{Errc::not_found, "the channel has no state"};
  out->position_ = {Epoch{head->unsigned_integer(0)}, head->unsigned_integer(1)};
  auto rows =
      Statement::prepare(out->db_, "SELECT key, offset, json FROM incident WHERE channel_id=?1 ORDER BY key");
  if (!rows) return rows.error();
  out->rows_ = *std::move(rows);
  out->rows_.integer(1, static_cast<std::uint64_t>(channel));
  return std::unique_ptr<SnapshotReader>{std::move(out)};
}

Result<std::vector<IncidentRow>> SqliteSnapshot::next(std::size_t max_count, std::size_t max_bytes) {
  std::vector<IncidentRow> out;
  std::size_t bytes = 0;
  while (!ended_ && out.size() < max_count) {
    if (!ahead_) {
      const auto row = rows_.step();
      if (!row) return row.error();
      if (!*row) {
        ended_ = true;
        break;
      }
    }
    ahead_ = true;
    bytes += rows_.bytes(2).size() + rows_.bytes(0).size();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(incident_of(rows_));
    ahead_ = false;
  }
  return out;
}

}  // namespace tocsin::broker
