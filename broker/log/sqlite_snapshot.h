#pragma once
// SqliteSnapshot: current incidents of a channel inside one read transaction of an own connection, so that
// the pages agree however long the reading takes. It keeps the WAL from being reset meanwhile: the owner
// bounds its life. Thread: the loop.
#include <memory>
#include <string>

#include "broker/log/log_store.h"
#include "broker/log/sqlite_db.h"

namespace tocsin::broker {

class SqliteSnapshot final : public SnapshotReader {
 public:
  /// Fails with not_found when the channel is not stored, else io or corrupt.
  [[nodiscard]] static Result<std::unique_ptr<SnapshotReader>> open(const std::string& path,
                                                                    ChannelId channel);

  [[nodiscard]] Position position() const override { return position_; }
  [[nodiscard]] Result<std::vector<IncidentRow>> next(std::size_t max_count, std::size_t max_bytes) override;

 private:
  explicit SqliteSnapshot(Db db) : db_(std::move(db)) {}
  Db db_;
  Statement rows_;
  Position position_;
  bool ahead_ = false;  ///< the statement stands on a row that is not given out yet
  bool ended_ = false;
};

/// A row of (key, offset, json).
[[nodiscard]] IncidentRow incident_of(const Statement& row);

}  // namespace tocsin::broker
