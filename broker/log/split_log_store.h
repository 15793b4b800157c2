#pragma once
// SplitLogStore: one LogStore over two. Channels of memory durability live in `memory`, everything else on
// `disk`.
//
// Invariant: a batch that touches both is applied to memory only after the disk has it. Thread: the loop.
#include "broker/log/log_store.h"

namespace tocsin::broker {

class SplitLogStore final : public LogStore {
 public:
  /// Both outlive this.
  SplitLogStore(LogStore& disk, LogStore& memory) : disk_(disk), memory_(memory) {}

  void commit(Batch batch, CommitDone done) override;
  void poll() override;
  void on_wake(std::function<void()> wake) override;

  [[nodiscard]] Result<std::vector<ChannelMeta>> channels() const override;
  [[nodiscard]] ChannelId new_channel_id(Durability d) override {
    return (d == Durability::memory ? memory_ : disk_).new_channel_id(d);
  }
  [[nodiscard]] Result<std::vector<Record>> read_after(ChannelId channel, Offset after, std::size_t max_count,
                                                       std::size_t max_bytes) const override {
    return of(channel).read_after(channel, after, max_count, max_bytes);
  }
  [[nodiscard]] Result<RowMark> mark(ChannelId channel, Offset offset) const override {
    return of(channel).mark(channel, offset);
  }
  [[nodiscard]] Result<std::vector<EventIdAt>> newest_event_ids(ChannelId channel,
                                                                std::size_t max_count) const override {
    return of(channel).newest_event_ids(channel, max_count);
  }
  [[nodiscard]] Result<std::optional<IncidentRow>> incident(ChannelId channel,
                                                            std::string_view key) const override {
    return of(channel).incident(channel, key);
  }
  [[nodiscard]] Result<std::vector<IncidentRow>> incidents(ChannelId channel, std::string_view after_key,
                                                           std::size_t max_count) const override {
    return of(channel).incidents(channel, after_key, max_count);
  }
  [[nodiscard]] Result<std::unique_ptr<SnapshotReader>> snapshot(ChannelId channel) const override {
    return of(channel).snapshot(channel);
  }
  [[nodiscard]] Result<std::optional<SessionRow>> session(std::string_view id) const override {
    return disk_.session(id);
  }
  [[nodiscard]] Result<std::vector<std::string>> expired_sessions(std::int64_t now_ms,
                                                                  std::size_t max_count) const override {
    return disk_.expired_sessions(now_ms, max_count);
  }
  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view name) const override {
    return disk_.setting(name);
  }

 private:
  [[nodiscard]] LogStore& of(ChannelId channel) const { return is_volatile(channel) ? memory_ : disk_; }

  LogStore& disk_;
  LogStore& memory_;
};

}  // namespace tocsin::broker
