#pragma once
// The records of a backup's rows (FORMAT.md section 2): bytes <-> tables and cells. Reading is for anything
// that somebody may hand us: every length is checked. Values and pure functions; any thread.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"

namespace tocsin::broker::backup {

struct Table {
  std::string name;
  std::vector<std::string> columns;
};

/// The record `H`.
struct Head {
  std::int64_t schema = 0;
  std::string cluster;
  std::vector<Table> tables;
};

/// Integer, text, blob (the bool tells them apart from text), or nothing.
struct Bytes {
  std::string_view bytes;
  bool text = false;
};
using Cell = std::variant<std::monostate, std::int64_t, Bytes>;

struct Row {
  std::size_t table = 0;
  std::vector<Cell> cells;  ///< views into the record
};

/// Largest record: an update, or an incident after it, has at most 16 MiB, and so has a record of a session.
inline constexpr std::size_t kMaxRecord = std::size_t{64} << 20;
inline constexpr std::size_t kMaxTables = 200;
inline constexpr std::size_t kMaxColumns = 200;

void append_head(std::string& out, const Head& head);
void append_row(std::string& out, const Row& row);
/// `rows` of each table, in the order of the head.
void append_end(std::string& out, const Head& head, const std::vector<std::uint64_t>& rows);

/// One record without its length: its kind and content. Fail with corrupt.
[[nodiscard]] Result<Head> parse_head(std::string_view record);
[[nodiscard]] Result<Row> parse_row(std::string_view record, const Head& head);
[[nodiscard]] Result<std::vector<std::uint64_t>> parse_end(std::string_view record, const Head& head);

/// Takes the next record off `bytes`: nothing when it is not all there yet. Fails with corrupt when its
/// length is none that a record has.
[[nodiscard]] Result<std::optional<std::string_view>> take_record(std::string_view& bytes);

}  // namespace tocsin::broker::backup
