#pragma once
// Opens the log's database: creates or checks the schema, and settles epochs after a loss (FORMAT.md sections
// 2 and 3). Used at start-up, before the storage thread exists.
#include <cstdint>
#include <functional>

#include "broker/log/data_folder.h"
#include "broker/log/sqlite_db.h"

namespace tocsin::broker {

inline constexpr std::int64_t kSchemaVersion = 1;
/// What the write-ahead log grows to before it is copied back: 4,000 pages of 8 KiB, each with its 24 bytes
/// of head.
inline constexpr std::uint64_t kWalBytes = 4'000 * (8'192 + 24);

/// The tables of kSchemaVersion in a database that has none yet: for a restore.
[[nodiscard]] Status create_schema(Db& db);

/// The writer's connection, ready: WAL, synchronous=FULL, schema in place, epochs settled.
/// Fails with newer_schema, corrupt, disk_full or io, in a sentence that says what to do.
[[nodiscard]] Result<Db> open_database(DataFolder& folder, const std::function<std::uint64_t()>& random,
                                       std::int64_t max_bytes);

}  // namespace tocsin::broker
