#include "broker/link/sessions.h"

#include <algorithm>
#include <utility>

namespace tocsin::broker {
namespace {

constexpr Millis kSweep{1'000};
constexpr std::size_t kSweptAtOnce = 500;
constexpr std::size_t kMaxId = 64;

std::string bytes_of(const link::SessionRecord& record) {
  return link::encode(link::SessionPut{record, true});
}

link::SessionRecord record_of(const SessionRow& row) {
  link::SessionRecord record;
  if (auto message = link::decode(row.record))
    if (auto* put = std::get_if<link::SessionPut>(&*message)) record = std::move(put->record);
  record.id = row.id;
  record.fence = row.fence;
  return record;
}

/// Why a claim is not honoured.
link::Fault refusal(const link::SessionRecord& record, const link::SessionClaim& claim) {
  if (claim.subject != record.subject)
    return link::fault_of({Errc::forbidden, "the session is another subject's"});
  if (claim.fence != 0 && claim.fence != record.fence)
    return link::fault_of(
        {Errc::unauthorized, "the ticket was used before, another socket took the session over"});
  return {};
}

}  // namespace

Result<std::optional<SessionRow>> Sessions::find(const std::string& id) const {
  if (const auto at = recent_.find(id); at != recent_.end()) return std::optional<SessionRow>{at->second.row};
  auto row = store_.session(id);
  if (row && *row && (*row)->expires_ms < clock_.wall_ms()) return std::optional<SessionRow>{};
  return row;
}

void Sessions::store(SessionRow row) {
  Recent& recent = recent_[row.id];
  recent.row = row;
  ++recent.writes;
  metrics_.sessions_cached.set(static_cast<std::int64_t>(recent_.size()));
  sequencer_.after_commit([this, id = row.id](const Status&) {
    const auto at = recent_.find(id);
    if (at != recent_.end() && --at->second.writes == 0) recent_.erase(at);
    metrics_.sessions_cached.set(static_cast<std::int64_t>(recent_.size()));
  });
  sequencer_.gathering().sessions.push_back(std::move(row));
}

void Sessions::put(const Peer& from, std::span<const link::SessionPut> puts) {
  for (const auto& one : puts) put_one(from, one);
  sequencer_.flush();
}

void Sessions::put(const Peer& from, std::vector<link::SessionRecord>& records) {
  std::erase_if(records, [&](const auto& record) { return !put_one(from, {record, true}); });
  sequencer_.flush();
}

/// False: it was not kept.
bool Sessions::put_one(const Peer& from, const link::SessionPut& message) {
  const auto& record = message.record;
  std::string bytes = bytes_of(record);
  if (record.id.empty() || record.id.size() > kMaxId ||
      bytes.size() > static_cast<std::size_t>(config_.session_max_bytes)) {
    metrics_.bad_messages.add();
    return false;
  }
  const auto known = find(record.id);
  if (!known || (*known && (*known)->fence > record.fence)) return false;
  store({record.id, record.fence, from.hello.id, from.hello.instance, message.connected, expiry(),
         std::move(bytes)});
  return true;
}

void Sessions::claim(const Peer& from, const link::SessionClaim& message) {
  link::SessionState answer;
  answer.ref = message.ref;
  answer.record.id = message.id;
  const auto known = message.id.empty() || message.id.size() > kMaxId
                         ? Result<std::optional<SessionRow>>{std::optional<SessionRow>{}}
                         : find(message.id);
  if (!known) {
    peers_.send(from.name, answer);
    return;
  }
  SessionRow row;
  std::string former;  // to be told: it may hold the socket, or wait for the session to be seen elsewhere
  if (*known) {
    row = **known;
    if (row.edge != from.hello.id) answer.former = row.edge;
    former = row.connected ? row.edge : answer.former;
    answer.found = true;
    answer.record = record_of(row);
  }
  if (*known)
    if (const auto fault = refusal(answer.record, message); !fault.ok()) {
      link::SessionState refused;
      refused.ref = message.ref;
      refused.fault = fault;
      peers_.send(from.name, refused);
      return;
    }
  row.id = message.id;
  answer.record.subject = message.subject;
  // Also a session of which nothing is kept any more honours a ticket once.
  row.fence = std::max(row.fence, message.fence) + 1;
  row.edge = from.hello.id;
  row.instance = from.hello.instance;
  row.connected = true;
  row.expires_ms = expiry();
  answer.record.fence = row.fence;
  answer.record.edge = row.edge;
  row.record = bytes_of(answer.record);
  const std::uint64_t fence = row.fence;
  store(std::move(row));
  sequencer_.after_commit(
      [this, peer = from.name, edge = from.hello.id, former, fence, answer](const Status& status) {
        if (!status) return;  // the asker's deadline tells it
        if (!former.empty())
          if (const Peer* owner = peers_.find_edge(former))
            peers_.send(owner->name, link::SessionFenced{answer.record.id, fence, edge});
        peers_.send(peer, answer);
      });
  sequencer_.flush();
}

void Sessions::drop(const link::SessionDrop& message) {
  const auto known = find(message.id);
  if (!known || !*known || (*known)->fence != message.fence) return;
  recent_.erase(message.id);
  sequencer_.gathering().session_drops.push_back(message.id);
  sequencer_.flush();
}

void Sessions::tick() {
  if (!sequencer_.not_ready_reason().empty()) return;
  const Instant now = clock_.steady();
  if (now >= next_touch_) {
    next_touch_ = now + Millis{config_.session_ttl_s * 1'000 / 4};
    for (const Peer* edge : peers_.edges())
      sequencer_.gathering().session_touches.push_back({edge->hello.id, edge->hello.instance, expiry()});
  }
  if (now >= next_sweep_) {
    next_sweep_ = now + kSweep;
    const auto expired = store_.expired_sessions(clock_.wall_ms(), kSweptAtOnce);
    if (expired)
      for (const auto& id : *expired)
        if (!recent_.contains(id)) sequencer_.gathering().session_drops.push_back(id);
  }
  sequencer_.flush();
}

}  // namespace tocsin::broker
