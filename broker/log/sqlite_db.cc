#include "broker/log/sqlite_db.h"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace tocsin::broker {
namespace {

bool no_space(int code, int os_error) {
  return code == SQLITE_FULL ||
         (code == SQLITE_IOERR && (os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG));
}

Error error_of(sqlite3* db, int code) {
  const int primary = code & 0xff;
  const int os_error = db != nullptr ? sqlite3_system_errno(db) : 0;
  std::string detail = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  if (os_error != 0 && primary == SQLITE_IOERR) detail.append(": ").append(std::strerror(os_error));
  if (no_space(primary, os_error)) return {Errc::disk_full, detail};
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) return {Errc::corrupt, detail};
  return {Errc::io, detail};
}

}  // namespace

void Db::Close::operator()(sqlite3* db) const { sqlite3_close_v2(db); }
void Statement::Finalize::operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }

Result<Db> Db::open(const std::string& path, Mode mode) {
  sqlite3* raw = nullptr;
  // A reader of a WAL file writes its shared-memory index, so it opens for writing too and is held back by
  // query_only.
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == Mode::create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Db db(raw);
  if (code != SQLITE_OK) return error_of(raw, code);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, 2'000);
  if (mode == Mode::read)
    if (auto s = db.run("PRAGMA query_only=1"); !s) return s.error();
  return db;
}

Status Db::run(const char* sql) {
  if (const int code = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr); code != SQLITE_OK)
    return error_of(db_.get(), code);
  return Done{};
}

Result<std::int64_t> Db::number(const char* sql) {
  auto statement = Statement::prepare(*this, sql);
  if (!statement) return statement.error();
  const auto row = statement->step();
  if (!row) return row.error();
  return *row ? statement->integer(0) : 0;
}

Error Db::last_error() const { return error_of(db_.get(), sqlite3_extended_errcode(db_.get())); }

Result<Statement> Statement::prepare(Db& db, std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(db.raw(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return error_of(db.raw(), code);
  Statement out;
  out.stmt_.reset(raw);
  return out;
}

Statement& Statement::integer(int at, std::int64_t v) {
  sqlite3_bind_int64(stmt_.get(), at, v);
  return *this;
}
Statement& Statement::text(int at, std::string_view v) {
  sqlite3_bind_text64(stmt_.get(), at, v.data() == nullptr ? "" : v.data(), v.size(), nullptr, SQLITE_UTF8);
  return *this;
}
Statement& Statement::blob(int at, std::string_view v) {
  sqlite3_bind_blob64(stmt_.get(), at, v.data() == nullptr ? "" : v.data(), v.size(), nullptr);
  return *this;
}
Statement& Statement::null(int at) {
  sqlite3_bind_null(stmt_.get(), at);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(stmt_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return error_of(sqlite3_db_handle(stmt_.get()), code);
}

Status Statement::run() {
  const auto row = step();
  reset();
  if (!row) return row.error();
  return Done{};
}

void Statement::reset() { sqlite3_reset(stmt_.get()); }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(stmt_.get(), column); }
std::string_view Statement::bytes(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(stmt_.get(), column));
  return {data == nullptr ? "" : data, static_cast<std::size_t>(sqlite3_column_bytes(stmt_.get(), column))};
}
Statement::Kind Statement::kind(int column) const {
  switch (sqlite3_column_type(stmt_.get(), column)) {
    case SQLITE_INTEGER:
      return Kind::integer;
    case SQLITE_TEXT:
      return Kind::text;
    case SQLITE_NULL:
      return Kind::null;
    default:
      return Kind::blob;
  }
}
int Statement::columns() const { return sqlite3_column_count(stmt_.get()); }

}  // namespace tocsin::broker
