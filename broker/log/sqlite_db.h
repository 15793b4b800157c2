#pragma once
// Db and Statement: the little of SQLite's interface that the log uses, with errors as values.
// Invariant: a Statement is destroyed before its Db. Thread: one at a time per Db.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tocsin::broker {

class Db {
 public:
  enum class Mode : std::uint8_t { create, write, read };
  /// Fails with io, or corrupt when the file is no database.
  [[nodiscard]] static Result<Db> open(const std::string& path, Mode mode);

  /// Runs statements that return no rows.
  [[nodiscard]] Status run(const char* sql);
  /// The first column of the first row, 0 when there is none.
  [[nodiscard]] Result<std::int64_t> number(const char* sql);
  /// The error of the last call: disk_full, corrupt, newer_schema never; else io.
  [[nodiscard]] Error last_error() const;
  [[nodiscard]] sqlite3* raw() const noexcept { return db_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  explicit Db(sqlite3* db) : db_(db) {}
  std::unique_ptr<sqlite3, Close> db_;
};

class Statement {
 public:
  Statement() = default;
  [[nodiscard]] static Result<Statement> prepare(Db& db, std::string_view sql);

  /// Parameters count from 1. Text and blobs are borrowed until the next reset().
  Statement& integer(int at, std::int64_t v);
  Statement& integer(int at, std::uint64_t v) { return integer(at, static_cast<std::int64_t>(v)); }
  Statement& text(int at, std::string_view v);
  Statement& blob(int at, std::string_view v);
  Statement& null(int at);

  /// True when a row is there, false at the end.
  [[nodiscard]] Result<bool> step();
  /// step() to the end and reset(): for statements without rows.
  [[nodiscard]] Status run();
  void reset();

  /// Columns count from 0; text is valid until the next step() or reset().
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::uint64_t unsigned_integer(int column) const {
    return static_cast<std::uint64_t>(integer(column));
  }
  [[nodiscard]] std::string_view bytes(int column) const;
  enum class Kind : std::uint8_t { null, integer, text, blob };
  [[nodiscard]] Kind kind(int column) const;
  [[nodiscard]] int columns() const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* s) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> stmt_;
};

/// Resets a statement at the end of its use: a statement left in the middle would hold its read transaction
/// open.
class Use {
 public:
  explicit Use(Statement& s) : s_(s) {}
  ~Use() { s_.reset(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  Statement* operator->() { return &s_; }

 private:
  Statement& s_;
};

}  // namespace tocsin::broker
