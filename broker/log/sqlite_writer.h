#pragma once
// SqliteWriter: a Batch into one transaction. Thread: the storage thread (made before it starts).
#include <array>

#include "broker/log/log_store.h"
#include "broker/log/sqlite_db.h"

namespace tocsin::broker {

class SqliteWriter {
 public:
  [[nodiscard]] static Result<SqliteWriter> make(Db db);

  /// All of it or nothing; durable when it returns. Fails with disk_full, corrupt or io, and has then rolled
  /// back. The value is the number of this commit.
  [[nodiscard]] Result<std::uint64_t> commit(const Batch& batch);

 private:
  explicit SqliteWriter(Db db) : db_(std::move(db)) {}
  [[nodiscard]] Status write(const Batch& batch);
  [[nodiscard]] Status write_incidents(const Batch& batch);
  [[nodiscard]] Status write_sessions(const Batch& batch);

  Db db_;
  Statement begin_, end_, undo_, count_;
  Statement channel_, append_, trim_, incident_, session_, touch_, drop_, setting_;
  std::uint64_t commits_ = 0;
};

}  // namespace tocsin::broker
