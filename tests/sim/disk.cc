#include "tests/sim/disk.h"

#include <utility>

#include "broker/log/memory_log_store.h"

namespace tocsin::sim {
namespace {

/// Fault::stale_snapshot: the first page lacks its first row.
class StaleReader final : public broker::SnapshotReader {
 public:
  explicit StaleReader(std::unique_ptr<broker::SnapshotReader> inner) : inner_(std::move(inner)) {}
  [[nodiscard]] Position position() const override { return inner_->position(); }
  [[nodiscard]] Result<std::vector<broker::IncidentRow>> next(std::size_t max_count,
                                                              std::size_t max_bytes) override {
    auto rows = inner_->next(max_count, max_bytes);
    if (rows && !std::exchange(begun_, true) && rows->size() > 1) rows->erase(rows->begin());
    return rows;
  }

 private:
  std::unique_ptr<broker::SnapshotReader> inner_;
  bool begun_ = false;
};

}  // namespace

Disk::Disk(World& world, Fault fault)
    : world_(world), fault_(fault), kept_(std::make_unique<broker::MemoryLogStore>()) {}
Disk::~Disk() = default;

void Disk::apply(broker::Batch batch) {
  kept_->commit(std::move(batch), [](Status) {});
  kept_->poll();
}

void Disk::report(CommitDone done, Status status) {
  finished_.emplace_back(std::move(done), std::move(status));
  if (wake_) wake_();
}

void Disk::commit(broker::Batch batch, CommitDone done) {
  if (fault_ == Fault::done_before_kept) report(done, tocsin::Done{});
  under_way_.emplace_back(std::move(batch), std::move(done));
  const auto ms = slow_ ? world_.chance.between(50, 800) : world_.chance.between(0, 12);
  world_.after(static_cast<std::int64_t>(ms), life_, [this] { finish(); });
}

void Disk::finish() {
  if (under_way_.empty()) return;
  auto [batch, done] = std::move(under_way_.front());
  under_way_.pop_front();
  const bool kept = !full_ || fault_ == Fault::done_before_kept;
  if (kept) apply(std::move(batch));
  if (fault_ == Fault::done_before_kept) return;
  if (kept) return report(std::move(done), tocsin::Done{});
  report(std::move(done), Error{Errc::disk_full, "the simulated disk is full"});
}

void Disk::poll() {
  for (auto& [done, status] : std::exchange(finished_, {})) done(std::move(status));
}

void Disk::crash() {
  life_ = new_life();
  wake_ = nullptr;
  finished_.clear();
  restarted_ = true;
  if (under_way_.empty()) return;
  if (world_.chance.percent(50) && !full_) apply(std::move(under_way_.front().first));
  under_way_.clear();
}

Result<std::vector<broker::ChannelMeta>> Disk::channels() const { return kept_->channels(); }
broker::ChannelId Disk::new_channel_id(Durability durability) { return kept_->new_channel_id(durability); }
Result<std::vector<Record>> Disk::read_after(broker::ChannelId channel, Offset after, std::size_t max_count,
                                             std::size_t max_bytes) const {
  return kept_->read_after(channel, after, max_count, max_bytes);
}
Result<broker::RowMark> Disk::mark(broker::ChannelId channel, Offset offset) const {
  return kept_->mark(channel, offset);
}
Result<std::vector<broker::EventIdAt>> Disk::newest_event_ids(broker::ChannelId channel,
                                                              std::size_t max_count) const {
  if (fault_ == Fault::event_ids_lost && restarted_) return std::vector<broker::EventIdAt>{};
  return kept_->newest_event_ids(channel, max_count);
}
Result<std::optional<broker::IncidentRow>> Disk::incident(broker::ChannelId channel,
                                                          std::string_view key) const {
  return kept_->incident(channel, key);
}
Result<std::vector<broker::IncidentRow>> Disk::incidents(broker::ChannelId channel,
                                                         std::string_view after_key,
                                                         std::size_t max_count) const {
  return kept_->incidents(channel, after_key, max_count);
}
Result<std::unique_ptr<broker::SnapshotReader>> Disk::snapshot(broker::ChannelId channel) const {
  auto reader = kept_->snapshot(channel);
  if (!reader || fault_ != Fault::stale_snapshot) return reader;
  return std::unique_ptr<broker::SnapshotReader>(std::make_unique<StaleReader>(*std::move(reader)));
}
Result<std::optional<broker::SessionRow>> Disk::session(std::string_view id) const {
  return kept_->session(id);
}
Result<std::vector<std::string>> Disk::expired_sessions(std::int64_t now_ms, std::size_t max_count) const {
  return kept_->expired_sessions(now_ms, max_count);
}
Result<std::optional<std::string>> Disk::setting(std::string_view name) const { return kept_->setting(name); }

}  // namespace tocsin::sim
