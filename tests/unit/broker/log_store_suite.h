#pragma once
// The one suite that every LogStore must pass: what log_store.h promises, nothing about how. Each
// implementation's test makes a Fixture and calls run_log_store_suite() in a test case of its own.
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "broker/log/log_store.h"

namespace tocsin::broker::testing {

struct Fixture {
  std::function<std::unique_ptr<LogStore>()> make;  ///< an empty store
  Durability durability = Durability::disk;
};

/// A store together with what it lives on (a folder, other stores).
class HeldStore final : public LogStore {
 public:
  HeldStore(std::shared_ptr<void> on, LogStore& store) : on_(std::move(on)), s_(store) {}
  void commit(Batch b, CommitDone d) override { s_.commit(std::move(b), std::move(d)); }
  void poll() override { s_.poll(); }
  void on_wake(std::function<void()> w) override { s_.on_wake(std::move(w)); }
  [[nodiscard]] Result<std::vector<ChannelMeta>> channels() const override { return s_.channels(); }
  [[nodiscard]] ChannelId new_channel_id(Durability d) override { return s_.new_channel_id(d); }
  [[nodiscard]] Result<std::vector<Record>> read_after(ChannelId c, Offset a, std::size_t n,
                                                       std::size_t b) const override {
    return s_.read_after(c, a, n, b);
  }
  [[nodiscard]] Result<RowMark> mark(ChannelId c, Offset o) const override { return s_.mark(c, o); }
  [[nodiscard]] Result<std::vector<EventIdAt>> newest_event_ids(ChannelId c, std::size_t n) const override {
    return s_.newest_event_ids(c, n);
  }
  [[nodiscard]] Result<std::optional<IncidentRow>> incident(ChannelId c, std::string_view k) const override {
    return s_.incident(c, k);
  }
  [[nodiscard]] Result<std::vector<IncidentRow>> incidents(ChannelId c, std::string_view a,
                                                           std::size_t n) const override {
    return s_.incidents(c, a, n);
  }
  [[nodiscard]] Result<std::unique_ptr<SnapshotReader>> snapshot(ChannelId c) const override {
    return s_.snapshot(c);
  }
  [[nodiscard]] Result<std::optional<SessionRow>> session(std::string_view id) const override {
    return s_.session(id);
  }
  [[nodiscard]] Result<std::vector<std::string>> expired_sessions(std::int64_t t,
                                                                  std::size_t n) const override {
    return s_.expired_sessions(t, n);
  }
  [[nodiscard]] Result<std::optional<std::string>> setting(std::string_view n) const override {
    return s_.setting(n);
  }

 private:
  std::shared_ptr<void> on_;
  LogStore& s_;
};

/// Commits and waits for the outcome, as the loop would.
[[nodiscard]] Status commit_now(LogStore& store, Batch batch);

[[nodiscard]] ChannelMeta meta(ChannelId id, std::string name, Offset last, Offset first = 1,
                               Offset row_first = 1);
/// Updates from..to of a channel, with its meta: row n has event id "e<n>", the bytes "row <n>", stored_ms
/// 1000 + n.
[[nodiscard]] Batch rows(ChannelId id, const std::string& name, Offset from, Offset to);
[[nodiscard]] IncidentRow incident(std::string key, Offset offset, std::string json);

void run_log_store_suite(const Fixture& fixture);

}  // namespace tocsin::broker::testing
