#pragma once
// MemoryLogStore: a LogStore that ends with the process. Serves the channels of `log.memory_channels`, and
// tests.
//
// Invariant: a batch is applied in poll(), whole, just before its `done` runs. Thread: the loop.
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>

#include "broker/log/log_store.h"

namespace tocsin::broker {

class MemoryLogStore final : public LogStore {
 public:
  MemoryLogStore() = default;

  void commit(Batch batch, CommitDone done) override;
  void poll() override;
  void on_wake(std::function<void()> wake) override { wake_ = std::move(wake); }

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
  struct Channel {
    ChannelMeta meta;
    std::deque<AppendRow> rows;  ///< row_first..last
    std::map<std::string, IncidentRow, std::less<>> incidents;
  };
  void apply(Batch& batch);
  [[nodiscard]] const Channel* find(ChannelId id) const;
  [[nodiscard]] const AppendRow* row(ChannelId id, Offset offset) const;

  std::unordered_map<ChannelId, Channel> channels_;
  std::map<std::string, SessionRow, std::less<>> sessions_;
  std::map<std::string, std::string, std::less<>> settings_;
  std::uint64_t last_id_ = 0;
  std::deque<std::pair<Batch, CommitDone>> waiting_;
  std::function<void()> wake_;
};

}  // namespace tocsin::broker
