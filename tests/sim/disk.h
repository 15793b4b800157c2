#pragma once
// Disk: the LogStore of the simulated broker. What it keeps survives the broker process; a batch becomes
// durable after a delay, a crash before that keeps or loses it as a whole, and for a while every commit may
// fail (disk full).
//
// Invariant (unless a Fault breaks it): `done(ok)` runs only for batches that no crash takes back. Thread:
// one.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/log/log_store.h"
#include "tests/sim/fault.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

class Disk final : public broker::LogStore {
 public:
  Disk(World& world, Fault fault);
  ~Disk() override;

  /// The broker process died: what was under way is kept or lost, its callbacks are forgotten.
  void crash();
  void set_full(bool full) { full_ = full; }
  void set_slow(bool slow) { slow_ = slow; }

  void commit(broker::Batch batch, CommitDone done) override;
  void poll() override;
  void on_wake(std::function<void()> wake) override { wake_ = std::move(wake); }
  [[nodiscard]] Result<std::vector<broker::ChannelMeta>> channels() const override;
  [[nodiscard]] broker::ChannelId new_channel_id(Durability durability) override;
  [[nodiscard]] Result<std::vector<Record>> read_after(broker::ChannelId channel, Offset after,
                                                       std::size_t max_count,
                                                       std::size_t max_bytes) const override;
  [[nodiscard]] Result<broker::RowMark> mark(broker::ChannelId channel, Offset offset) const override;
  [[nodiscard]] Result<std::vector<broker::EventIdAt>> newest_event_ids(broker::ChannelId channel,
                                                                        std::size_t max_count) const override;
  [[nodiscard]] Result<std::optional<broker::IncidentRow>> incident(broker::ChannelId channel,
                                                                    std::string_view key) const override;
  [[nodiscard]] Result<std::vector<broker::IncidentRow>> incidents(broker::ChannelId channel,
                                                                   std::string_view after_key,
                                                                   std::size_t max_count) const override;
  [[nodiscard]] Result<std::unique_ptr<broker::SnapshotReader>> snapshot(
      broker::ChannelId channel) const override;
  [[nodiscard]] Result<std::optional<broker::SessionRow>> session(std::string_view id) const override;
  [[nodiscard]] Result<std::vector<std::string>> expired_sessions(std::int64_t now_ms,
                                                                  std::size_t max_count) const override;
  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view name) const override;

 private:
  void finish();
  void apply(broker::Batch batch);
  void report(CommitDone done, Status status);

  World& world_;
  Fault fault_;
  std::unique_ptr<broker::LogStore> kept_;
  std::deque<std::pair<broker::Batch, CommitDone>>
      under_way_;  ///< more than one only with Fault::done_before_kept
  std::vector<std::pair<CommitDone, Status>> finished_;
  std::function<void()> wake_;
  Life life_ = new_life();  ///< of the broker process that uses the disk
  bool full_ = false;
  bool slow_ = false;
  bool restarted_ = false;
};

}  // namespace tocsin::sim
