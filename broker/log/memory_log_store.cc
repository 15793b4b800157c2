#include "broker/log/memory_log_store.h"

#include <algorithm>

namespace tocsin::broker {
namespace {

/// The rows are shared and immutable, so a copy of the list is a consistent view.
class ListSnapshot final : public SnapshotReader {
 public:
  ListSnapshot(Position position, std::vector<IncidentRow> rows)
      : position_(position), rows_(std::move(rows)) {}

  [[nodiscard]] Position position() const override { return position_; }
  [[nodiscard]] Result<std::vector<IncidentRow>> next(std::size_t max_count, std::size_t max_bytes) override {
    std::vector<IncidentRow> out;
    for (std::size_t bytes = 0; next_ < rows_.size() && out.size() < max_count; ++next_) {
      bytes += rows_[next_].json->size() + rows_[next_].key.size();
      if (bytes > max_bytes && !out.empty()) break;
      out.push_back(rows_[next_]);
    }
    return out;
  }

 private:
  Position position_;
  std::vector<IncidentRow> rows_;
  std::size_t next_ = 0;
};

}  // namespace

void MemoryLogStore::commit(Batch batch, CommitDone done) {
  waiting_.emplace_back(std::move(batch), std::move(done));
  if (wake_) wake_();
}

void MemoryLogStore::poll() {
  for (std::size_t n = waiting_.size(); n > 0 && !waiting_.empty(); --n) {
    auto [batch, done] = std::move(waiting_.front());
    waiting_.pop_front();
    apply(batch);
    done(Done{});
  }
}

void MemoryLogStore::apply(Batch& batch) {
  for (auto& row : batch.appends) channels_[row.channel].rows.push_back(std::move(row));
  for (auto& meta : batch.channels) {
    Channel& channel = channels_[meta.id];
    channel.meta = std::move(meta);
    while (!channel.rows.empty() && channel.rows.front().record.offset < channel.meta.row_first)
      channel.rows.pop_front();
  }
  for (auto& [id, incident] : batch.incidents)
    channels_[id].incidents.insert_or_assign(incident.key, std::move(incident));
  for (auto& session : batch.sessions) sessions_.insert_or_assign(session.id, std::move(session));
  for (const auto& touch : batch.session_touches)
    for (auto& [id, session] : sessions_)
      if (session.connected && session.edge == touch.edge && session.instance == touch.instance)
        session.expires_ms = std::max(session.expires_ms, touch.expires_ms);
  for (const auto& id : batch.session_drops) sessions_.erase(id);
  for (auto& [name, value] : batch.settings) settings_.insert_or_assign(name, std::move(value));
}

Result<std::vector<ChannelMeta>> MemoryLogStore::channels() const {
  std::vector<ChannelMeta> out;
  for (const auto& [id, channel] : channels_) out.push_back(channel.meta);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

ChannelId MemoryLogStore::new_channel_id(Durability durability) {
  for (const auto& [id, channel] : channels_)
    last_id_ = std::max(last_id_, static_cast<std::uint64_t>(id) & ~kVolatileBit);
  ++last_id_;
  return ChannelId{durability == Durability::memory ? last_id_ | kVolatileBit : last_id_};
}

const MemoryLogStore::Channel* MemoryLogStore::find(ChannelId id) const {
  const auto at = channels_.find(id);
  return at == channels_.end() ? nullptr : &at->second;
}

const AppendRow* MemoryLogStore::row(ChannelId id, Offset offset) const {
  const Channel* channel = find(id);
  if (channel == nullptr || offset < channel->meta.row_first || offset > channel->meta.last) return nullptr;
  return &channel->rows[offset - channel->meta.row_first];
}

Result<std::vector<Record>> MemoryLogStore::read_after(ChannelId channel, Offset after, std::size_t max_count,
                                                       std::size_t max_bytes) const {
  std::vector<Record> out;
  std::size_t bytes = 0;
  for (const AppendRow* r = row(channel, after + 1); r != nullptr && out.size() < max_count;
       r = row(channel, ++after + 1)) {
    bytes += r->record.bytes->size();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(r->record);
  }
  return out;
}

Result<RowMark> MemoryLogStore::mark(ChannelId channel, Offset offset) const {
  const AppendRow* r = row(channel, offset);
  if (r == nullptr) return Error{Errc::not_found, "offset " + std::to_string(offset)};
  return RowMark{r->bytes_total, r->stored_ms};
}

Result<std::vector<EventIdAt>> MemoryLogStore::newest_event_ids(ChannelId id, std::size_t max_count) const {
  std::vector<EventIdAt> out;
  const Channel* channel = find(id);
  if (channel == nullptr) return out;
  const auto& rows = channel->rows;
  for (std::size_t i = rows.size() - std::min(rows.size(), max_count); i < rows.size(); ++i)
    out.push_back({rows[i].record.offset, rows[i].event_id});
  return out;
}

Result<std::optional<IncidentRow>> MemoryLogStore::incident(ChannelId id, std::string_view key) const {
  const Channel* channel = find(id);
  if (channel == nullptr) return std::optional<IncidentRow>{};
  const auto at = channel->incidents.find(key);
  if (at == channel->incidents.end()) return std::optional<IncidentRow>{};
  return std::optional{at->second};
}

Result<std::vector<IncidentRow>> MemoryLogStore::incidents(ChannelId id, std::string_view after_key,
                                                           std::size_t max_count) const {
  std::vector<IncidentRow> out;
  const Channel* channel = find(id);
  if (channel == nullptr) return out;
  for (auto at = channel->incidents.upper_bound(after_key);
       at != channel->incidents.end() && out.size() < max_count; ++at)
    out.push_back(at->second);
  return out;
}

Result<std::unique_ptr<SnapshotReader>> MemoryLogStore::snapshot(ChannelId id) const {
  const Channel* channel = find(id);
  if (channel == nullptr) return Error{Errc::not_found, "the channel has no state"};
  std::vector<IncidentRow> rows;
  rows.reserve(channel->incidents.size());
  for (const auto& [key, row] : channel->incidents) rows.push_back(row);
  return std::unique_ptr<SnapshotReader>{
      std::make_unique<ListSnapshot>(Position{channel->meta.epoch, channel->meta.last}, std::move(rows))};
}

Result<std::optional<SessionRow>> MemoryLogStore::session(std::string_view id) const {
  const auto at = sessions_.find(id);
  if (at == sessions_.end()) return std::optional<SessionRow>{};
  return std::optional{at->second};
}

Result<std::vector<std::string>> MemoryLogStore::expired_sessions(std::int64_t now_ms,
                                                                  std::size_t max_count) const {
  std::vector<std::string> out;
  for (const auto& [id, session] : sessions_)
    if (session.expires_ms < now_ms && out.size() < max_count) out.push_back(id);
  return out;
}

Result<std::optional<std::string>> MemoryLogStore::setting(std::string_view name) const {
  const auto at = settings_.find(name);
  if (at == settings_.end()) return std::optional<std::string>{};
  return std::optional{at->second};
}

}  // namespace tocsin::broker
