// The reads of SqliteLogStore: each is one statement on the loop's own connection, reset as soon as it is
// read.
#include <algorithm>

#include "broker/log/sqlite_log_store.h"
#include "broker/log/sqlite_snapshot.h"

namespace tocsin::broker {
namespace {
constexpr std::uint64_t raw(ChannelId id) noexcept { return static_cast<std::uint64_t>(id); }
}  // namespace

Result<std::vector<ChannelMeta>> SqliteLogStore::channels() const {
  auto query = Statement::prepare(
      reader_, "SELECT id, name, epoch, first, row_first, last, bytes_total FROM channel ORDER BY name");
  if (!query) return query.error();
  std::vector<ChannelMeta> out;
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    const Statement& q = *query;
    out.push_back({ChannelId{q.unsigned_integer(0)}, std::string(q.bytes(1)), Epoch{q.unsigned_integer(2)},
                   q.unsigned_integer(3), q.unsigned_integer(4), q.unsigned_integer(5), q.unsigned_integer(6),
                   Durability::disk});
  }
}

Result<std::vector<Record>> SqliteLogStore::read_after(ChannelId channel, Offset after, std::size_t max_count,
                                                       std::size_t max_bytes) const {
  std::vector<Record> out;
  std::size_t bytes = 0;
  Use query(read_after_);
  query->integer(1, raw(channel)).integer(2, after).integer(3, static_cast<std::uint64_t>(max_count));
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    const std::string_view body = query->bytes(1);
    bytes += body.size();
    if (bytes > max_bytes && !out.empty()) return out;
    const Offset offset = query->unsigned_integer(0);
    if (offset != after + 1 + out.size())
      return Error{Errc::corrupt,
                   "update " + std::to_string(after + 1 + out.size()) + " is missing in the log"};
    out.push_back({offset, std::make_shared<const std::string>(body)});
  }
}

Result<RowMark> SqliteLogStore::mark(ChannelId channel, Offset offset) const {
  Use query(mark_);
  const auto row = query->integer(1, raw(channel)).integer(2, offset).step();
  if (!row) return row.error();
  if (!*row) return Error{Errc::not_found, "offset " + std::to_string(offset)};
  return RowMark{query->unsigned_integer(0), query->integer(1)};
}

Result<std::vector<EventIdAt>> SqliteLogStore::newest_event_ids(ChannelId channel,
                                                                std::size_t max_count) const {
  std::vector<EventIdAt> out;
  Use query(event_ids_);
  query->integer(1, raw(channel)).integer(2, static_cast<std::uint64_t>(max_count));
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) break;
    out.push_back({query->unsigned_integer(0), std::string(query->bytes(1))});
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Result<std::optional<IncidentRow>> SqliteLogStore::incident(ChannelId channel, std::string_view key) const {
  Use query(incident_);
  const auto row = query->integer(1, raw(channel)).text(2, key).step();
  if (!row) return row.error();
  if (!*row) return std::optional<IncidentRow>{};
  return std::optional{incident_of(incident_)};
}

Result<std::vector<IncidentRow>> SqliteLogStore::incidents(ChannelId channel, std::string_view after_key,
                                                           std::size_t max_count) const {
  std::vector<IncidentRow> out;
  Use query(incidents_);
  query->integer(1, raw(channel)).text(2, after_key).integer(3, static_cast<std::uint64_t>(max_count));
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    out.push_back(incident_of(incidents_));
  }
}

Result<std::unique_ptr<SnapshotReader>> SqliteLogStore::snapshot(ChannelId channel) const {
  return SqliteSnapshot::open(path_, channel);
}

Result<std::optional<SessionRow>> SqliteLogStore::session(std::string_view id) const {
  Use query(session_);
  const auto row = query->text(1, id).step();
  if (!row) return row.error();
  if (!*row) return std::optional<SessionRow>{};
  return std::optional{SessionRow{std::string(id), query->unsigned_integer(0), std::string(query->bytes(1)),
                                  query->unsigned_integer(2), query->integer(3) != 0, query->integer(4),
                                  std::string(query->bytes(5))}};
}

Result<std::vector<std::string>> SqliteLogStore::expired_sessions(std::int64_t now_ms,
                                                                  std::size_t max_count) const {
  std::vector<std::string> out;
  Use query(expired_);
  query->integer(1, now_ms).integer(2, static_cast<std::uint64_t>(max_count));
  for (;;) {
    const auto row = query->step();
    if (!row) return row.error();
    if (!*row) return out;
    out.emplace_back(query->bytes(0));
  }
}

Result<std::optional<std::string>> SqliteLogStore::setting(std::string_view name) const {
  Use query(setting_);
  const auto row = query->text(1, name).step();
  if (!row) return row.error();
  if (!*row) return std::optional<std::string>{};
  return std::optional{std::string(query->bytes(0))};
}

}  // namespace tocsin::broker
