#include "broker/log/sqlite_log_store.h"

#include <array>
#include <cassert>
#include <utility>

#include "broker/log/sqlite_schema.h"
#include "broker/log/sqlite_snapshot.h"

namespace tocsin::broker {

Result<std::unique_ptr<SqliteLogStore>> SqliteLogStore::open(DataFolder& folder, Options options) {
  auto db = open_database(folder, options.random, options.max_bytes);
  if (!db) return db.error();
  auto writer = SqliteWriter::make(*std::move(db));
  if (!writer) return writer.error();
  auto reader = Db::open(folder.database(), Db::Mode::read);
  if (!reader) return reader.error();
  std::unique_ptr<SqliteLogStore> store(new SqliteLogStore(folder, *std::move(writer), *std::move(reader)));
  if (auto s = store->prepare_reads(); !s) return s.error();
  store->thread_ = std::thread([raw = store.get()] { raw->work(); });
  return store;
}

SqliteLogStore::SqliteLogStore(DataFolder& folder, SqliteWriter writer, Db reader)
    : folder_(folder),
      writer_(std::move(writer)),
      path_(folder.database()),
      ahead_(path_ + "-wal", kWalBytes),
      reader_(std::move(reader)) {}

SqliteLogStore::~SqliteLogStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Status SqliteLogStore::prepare_reads() {
  const auto rows = std::to_array<std::pair<Statement*, const char*>>({
      {&read_after_,
       "SELECT offset, body FROM log WHERE channel_id=?1 AND offset>?2 ORDER BY offset LIMIT ?3"},
      {&mark_, "SELECT bytes_total, stored_ms FROM log WHERE channel_id=?1 AND offset=?2"},
      {&event_ids_, "SELECT offset, event_id FROM log WHERE channel_id=?1 ORDER BY offset DESC LIMIT ?2"},
      {&incident_, "SELECT key, offset, json FROM incident WHERE channel_id=?1 AND key=?2"},
      {&incidents_,
       "SELECT key, offset, json FROM incident WHERE channel_id=?1 AND key>?2 ORDER BY key LIMIT ?3"},
      {&session_, "SELECT fence, edge, instance, connected, expires_ms, record FROM session WHERE id=?1"},
      {&expired_, "SELECT id FROM session WHERE expires_ms<?1 ORDER BY expires_ms LIMIT ?2"},
      {&setting_, "SELECT value FROM setting WHERE name=?1"},
  });
  if (auto s = reader_.run("PRAGMA cache_size=-32768"); !s) return s;
  for (const auto& [statement, sql] : rows) {
    auto prepared = Statement::prepare(reader_, sql);
    if (!prepared) return prepared.error();
    *statement = *std::move(prepared);
  }
  const auto last = reader_.number("SELECT coalesce(max(id), 0) FROM channel");
  if (!last) return last.error();
  last_id_ = static_cast<std::uint64_t>(*last);
  return Done{};
}

void SqliteLogStore::work() {
  std::unique_lock lock(mutex_);
  for (bool ahead = true;;) {
    if (!ahead) changed_.wait(lock, [this] { return todo_.has_value() || stopping_; });
    std::optional<Batch> batch = std::exchange(todo_, std::nullopt);
    if (!batch && stopping_) return;
    lock.unlock();
    if (batch) {
      const auto number = writer_.commit(*batch);
      if (number) folder_.note_commit(*number);
      lock.lock();
      outcome_ = number ? Status{Done{}} : Status{number.error()};
      if (wake_) wake_();
      lock.unlock();
      batch.reset();  // a large one takes a while, and the loop need not wait for it
    } else {
      ahead = ahead_.step();
    }
    lock.lock();
  }
}

void SqliteLogStore::commit(Batch batch, CommitDone done) {
  assert(!done_);  // one batch at a time
  done_ = std::move(done);
  {
    const std::lock_guard lock(mutex_);
    todo_ = std::move(batch);
  }
  changed_.notify_one();
}

void SqliteLogStore::poll() {
  std::optional<Status> outcome;
  {
    const std::lock_guard lock(mutex_);
    outcome.swap(outcome_);
  }
  if (!outcome) return;
  const CommitDone done = std::exchange(done_, nullptr);  // it may commit the next batch
  done(*std::move(outcome));
}

void SqliteLogStore::on_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
  if (outcome_ && wake_) wake_();
}

ChannelId SqliteLogStore::new_channel_id(Durability) { return ChannelId{++last_id_}; }

}  // namespace tocsin::broker
