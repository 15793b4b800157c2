#pragma once
// LogStore: where the broker keeps logs, current incidents and sessions. Implemented by SqliteLogStore
// (durable), MemoryLogStore (ends with the process), SplitLogStore (routes a channel to one of them), and by
// the simulation's disk.
//
// Crash semantics, the same for every implementation:
//   - commit() takes a whole Batch. It becomes visible and durable as a whole or not at all; batches in
//   commit order.
//   - `done` runs from poll(), never from inside commit(). After done(ok) no crash may take the batch back (a
//   store whose
//     durability() is memory promises this until the process ends). Before it, a crash may keep or lose the
//     batch.
//   - After done(failed) nothing of the batch is visible, and a later batch may use the same offsets.
//   - Batches still under way when the store is destroyed are finished or lost; their `done` is never called.
//   - A channel whose acknowledged tail may have been lost (restored folder, log shorter than its head) shows
//   a new epoch
//     at the next open: that is the store's duty, see FORMAT.md.
//
// Reads are synchronous and see committed batches only, possibly a little before their `done` has run.
// Thread: the loop owns the store; only the waker is called from elsewhere.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"
#include "proto/update.h"

namespace tocsin::broker {

enum class ChannelId : std::uint64_t {};
/// Set in the ids of channels of memory durability: they never reach the disk.
inline constexpr std::uint64_t kVolatileBit = 1ULL << 62U;
[[nodiscard]] constexpr bool is_volatile(ChannelId id) noexcept {
  return (static_cast<std::uint64_t>(id) & kVolatileBit) != 0;
}

/// A channel as it is after a batch. Rows row_first..last are stored; first..last is the history readers may
/// ask for, older rows serve the dedup window only. Nothing is kept when first = last + 1.
struct ChannelMeta {
  ChannelId id{};
  std::string name;
  Epoch epoch{};
  Offset first = 1;
  Offset row_first = 1;
  Offset last = 0;
  std::uint64_t bytes_total = 0;  ///< of all rows ever appended: differences give the bytes of a range
  Durability durability = Durability::disk;
};

struct AppendRow {
  ChannelId channel{};
  Record record;
  std::string event_id;
  std::int64_t stored_ms = 0;     ///< wall clock; never decreases within a channel
  std::uint64_t bytes_total = 0;  ///< ChannelMeta::bytes_total after this row
};
struct IncidentRow {
  std::string key;
  Offset offset = 0;  ///< of the newest update that touched it
  std::shared_ptr<const std::string> json;
};
struct SessionRow {
  std::string id;
  std::uint64_t fence = 0;
  std::string edge;            ///< that holds the socket
  std::uint64_t instance = 0;  ///< of that edge
  bool connected = false;
  std::int64_t expires_ms = 0;  ///< wall clock
  std::string record;           ///< opaque bytes
};
/// Gives all connected sessions of one edge a later expiry.
struct SessionTouch {
  std::string edge;
  std::uint64_t instance = 0;
  std::int64_t expires_ms = 0;
};

struct Batch {
  std::vector<ChannelMeta> channels;  ///< new or changed; rows below row_first are removed
  std::vector<AppendRow>
      appends;  ///< per channel contiguous, ending at its ChannelMeta::last; its meta is in `channels`
  std::vector<std::pair<ChannelId, IncidentRow>> incidents;
  std::vector<SessionRow> sessions;
  std::vector<SessionTouch> session_touches;
  std::vector<std::string> session_drops;
  std::vector<std::pair<std::string, std::string>> settings;  ///< name, value

  [[nodiscard]] bool empty() const noexcept {
    return channels.empty() && appends.empty() && incidents.empty() && sessions.empty() &&
           session_touches.empty() && session_drops.empty() && settings.empty();
  }
};

/// Where a stored row stands in its channel's sums: history limits are searched with it, not counted.
struct RowMark {
  std::uint64_t bytes_total = 0;
  std::int64_t stored_ms = 0;
};
struct EventIdAt {
  Offset offset = 0;
  std::string event_id;
};

/// A consistent view of one channel's current incidents. Holds resources of the store: keep it for seconds,
/// not hours.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  SnapshotReader(const SnapshotReader&) = delete;
  SnapshotReader& operator=(const SnapshotReader&) = delete;

  /// The state is that after this update, in all pages.
  [[nodiscard]] virtual Position position() const = 0;
  /// The next rows in key order, at least one unless the end is reached; empty at the end. Fails with corrupt
  /// or io.
  [[nodiscard]] virtual Result<std::vector<IncidentRow>> next(std::size_t max_count,
                                                              std::size_t max_bytes) = 0;

 protected:
  SnapshotReader() = default;
};

class LogStore {
 public:
  using CommitDone = std::function<void(Status)>;

  virtual ~LogStore() = default;
  LogStore(const LogStore&) = delete;
  LogStore& operator=(const LogStore&) = delete;

  /// Starts to commit. At most one batch is under way at a time: the caller gathers the next meanwhile.
  /// done fails with disk_full, io or corrupt.
  virtual void commit(Batch batch, CommitDone done) = 0;
  /// Runs the `done` of finished commits. Call it when the waker fired, or at any time.
  virtual void poll() = 0;
  /// `wake` is called, from any thread, whenever poll() has something to do.
  virtual void on_wake(std::function<void()> wake) = 0;

  /// All channels as committed.
  [[nodiscard]] virtual Result<std::vector<ChannelMeta>> channels() const = 0;
  /// An id no stored channel has, for a channel of this name and durability. Not reserved before it is
  /// committed: asked twice without a commit it differs all the same.
  [[nodiscard]] virtual ChannelId new_channel_id(Durability durability) = 0;

  /// Stored rows after `after`, oldest first: at most max_count, and at most max_bytes but at least one.
  /// The caller checks positions against ChannelMeta; a missing row is corrupt.
  [[nodiscard]] virtual Result<std::vector<Record>> read_after(ChannelId channel, Offset after,
                                                               std::size_t max_count,
                                                               std::size_t max_bytes) const = 0;
  /// Fails with not_found when the row is not kept.
  [[nodiscard]] virtual Result<RowMark> mark(ChannelId channel, Offset offset) const = 0;
  /// The event ids of the newest rows, oldest first, at most `max_count`.
  [[nodiscard]] virtual Result<std::vector<EventIdAt>> newest_event_ids(ChannelId channel,
                                                                        std::size_t max_count) const = 0;

  [[nodiscard]] virtual Result<std::optional<IncidentRow>> incident(ChannelId channel,
                                                                    std::string_view key) const = 0;
  /// In key order after `after_key`.
  [[nodiscard]] virtual Result<std::vector<IncidentRow>> incidents(ChannelId channel,
                                                                   std::string_view after_key,
                                                                   std::size_t max_count) const = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<SnapshotReader>> snapshot(ChannelId channel) const = 0;

  [[nodiscard]] virtual Result<std::optional<SessionRow>> session(std::string_view id) const = 0;
  /// Ids of sessions whose expiry is before `now_ms`, at most max_count.
  [[nodiscard]] virtual Result<std::vector<std::string>> expired_sessions(std::int64_t now_ms,
                                                                          std::size_t max_count) const = 0;
  [[nodiscard]] virtual Result<std::optional<std::string>> setting(std::string_view name) const = 0;

 protected:
  LogStore() = default;
};

}  // namespace tocsin::broker
