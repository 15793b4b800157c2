#pragma once
// LogCopy: reads a log's rows for a backup, the old ones in short reads, then all else at one moment
// (FORMAT.md, B-8 to B-10).
//
// Invariant: what has been given out for a channel is contiguous from somewhere at or below its row_first of
// the end up to its last. Thread: one at a time.
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "broker/backup/manifest.h"
#include "broker/backup/rows.h"
#include "broker/log/sqlite_db.h"
#include "common/result.h"

namespace tocsin::broker::backup {

class LogCopy {
 public:
  /// Takes encoded records; what it fails with ends the copy.
  using Sink = std::function<Status(std::string_view records)>;

  /// Fails with newer_schema or corrupt (not a log).
  [[nodiscard]] static Result<LogCopy> open(const std::string& database, std::string cluster);

  /// Everything, once. Fills in what a manifest says of it.
  [[nodiscard]] Status run(const Sink& sink, Manifest& manifest);

 private:
  struct Channel {
    std::string name;
    std::int64_t epoch = 0;
    std::int64_t row_first = 1;
    std::int64_t last = 0;
  };
  struct Progress {
    std::int64_t epoch = 0;
    std::int64_t from = 0;  ///< first offset of the unbroken run that ends at `done`
    std::int64_t done = 0;
  };

  explicit LogCopy(Db db) : db_(std::move(db)) {}
  [[nodiscard]] Status read_tables(const std::string& cluster);
  [[nodiscard]] Result<std::map<std::int64_t, Channel>> channels();
  [[nodiscard]] Result<std::uint64_t> copy_log(const std::map<std::int64_t, Channel>& channels);
  [[nodiscard]] Status copy_channel(std::int64_t id, const Channel& channel);
  [[nodiscard]] Status copy_moment(Manifest& manifest);
  [[nodiscard]] Status copy_table(std::size_t table);
  [[nodiscard]] Status judge(const std::map<std::int64_t, Channel>& channels) const;
  void emit(std::size_t table, Statement& row);
  [[nodiscard]] Status flush();

  Db db_;
  Head head_;
  std::size_t log_ = 0;  ///< of head_.tables
  Statement rows_;
  std::map<std::int64_t, Progress> progress_;
  std::vector<std::uint64_t> counts_;
  std::string pending_;
  const Sink* sink_ = nullptr;
};

}  // namespace tocsin::broker::backup
