#pragma once
// SqliteLogStore: the durable LogStore. A storage thread writes each batch in one transaction (WAL,
// synchronous=FULL: one fsync a batch); the loop reads over its own connection and never waits for the
// writer.
//
// Invariant: the storage thread holds at most one batch; its outcome is handed over under the mutex.
// Thread: the loop; the storage thread sees only the writer, the folder and what the mutex guards.
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "broker/log/data_folder.h"
#include "broker/log/log_store.h"
#include "broker/log/sqlite_db.h"
#include "broker/log/sqlite_writer.h"
#include "broker/log/wal_ahead.h"

namespace tocsin::broker {

class SqliteLogStore final : public LogStore {
 public:
  struct Options {
    std::int64_t max_bytes = 0;             ///< of the database file; 0: what the disk gives
    std::function<std::uint64_t()> random;  ///< for epochs
  };
  /// Fails as open_database() does. `folder` outlives the store.
  [[nodiscard]] static Result<std::unique_ptr<SqliteLogStore>> open(DataFolder& folder, Options options);
  /// Waits for the batch under way.
  ~SqliteLogStore() override;

  void commit(Batch batch, CommitDone done) override;
  void poll() override;
  void on_wake(std::function<void()> wake) override;

  [[nodiscard]] Result<std::vector<ChannelMeta>> channels() const override;
  [[nodiscard]] ChannelId new_channel_id(Durability durability) override;
  [[nodiscard]] Result<std::vector<Record>> read_after(ChannelId channel, Offset after, std::size_t max_count,
                                                       std::size_t max_bytes) const override;
  [[nodiscard]] Result<RowMark> mark(ChannelId channel, Offset offset) const override;
  [[nodiscard]] Result<std::vector<EventIdAt>> newest_event_ids(ChannelId channel,
                                                                std::size_t max_count) const override;
  [[nodiscard]] Result<std::optional<IncidentRow>> incident(ChannelId channel,
                                                            std::string_view key) const override;
  [[nodiscard]] Result<std::vector<IncidentRow>> incidents(ChannelId channel, std::string_view after_key,
                                                           std::size_t max_count) const override;
  [[nodiscard]] Result<std::unique_ptr<SnapshotReader>> snapshot(ChannelId channel) const override;
  [[nodiscard]] Result<std::optional<SessionRow>> session(std::string_view id) const override;
  [[nodiscard]] Result<std::vector<std::string>> expired_sessions(std::int64_t now_ms,
                                                                  std::size_t max_count) const override;
  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view name) const override;

 private:
  SqliteLogStore(DataFolder& folder, SqliteWriter writer, Db reader);
  [[nodiscard]] Status prepare_reads();
  void work();

  DataFolder& folder_;
  SqliteWriter writer_;  // the storage thread's once it runs
  std::string path_;
  WalAhead ahead_;  // the storage thread's

  mutable Db reader_;
  mutable Statement read_after_, mark_, event_ids_, incident_, incidents_, session_, expired_, setting_;
  std::uint64_t last_id_ = 0;
  CommitDone done_;  ///< of the batch under way

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Batch> todo_;
  std::optional<Status> outcome_;
  std::function<void()> wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tocsin::broker
