#pragma once
// Rebuild: makes a log's database of an archive's rows, in a file of its own.
//
// Invariant: the file is complete and synced when finish() returned, and gone when the Rebuild is destroyed
// without keep(). Thread: one at a time.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/backup/rows.h"
#include "broker/log/sqlite_db.h"
#include "common/result.h"

namespace tocsin::broker::backup {

/// How far a channel is, in some log: enough to tell whether two logs have the same history of it.
struct ChannelHead {
  std::int64_t epoch = 0;
  std::int64_t last = 0;
  bool operator==(const ChannelHead&) const = default;
};
using ChannelHeads = std::map<std::string, ChannelHead>;

/// By name. Fails with io or corrupt.
[[nodiscard]] Result<ChannelHeads> channel_heads(Db& db);

class Rebuild {
 public:
  /// Removes what an earlier one left under this name. Fails with io or disk_full.
  [[nodiscard]] static Result<Rebuild> begin(std::string path);
  Rebuild(Rebuild&& other) noexcept;
  Rebuild& operator=(Rebuild&&) = delete;
  ~Rebuild();

  /// Fails with corrupt when the head names tables or columns that this program's schema does not have.
  [[nodiscard]] Status take_head(const Head& head);
  [[nodiscard]] Status take_row(const Row& row);
  /// Drops what lies before each channel's row_first, gives new epochs to the channels that `known` does not
  /// have just so, and syncs. Returns how many got one. Fails with io, disk_full or corrupt.
  [[nodiscard]] Result<std::uint64_t> finish(const ChannelHeads& known,
                                             const std::function<std::uint64_t()>& random);
  /// The file stays.
  void keep() noexcept { path_.clear(); }

 private:
  Rebuild(std::string path, Db db) : path_(std::move(path)), db_(std::move(db)) {}
  [[nodiscard]] Status sync() const;

  std::string path_;
  std::optional<Db> db_;
  std::vector<Statement> inserts_;  ///< by table
};

}  // namespace tocsin::broker::backup
