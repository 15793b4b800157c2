#pragma once
// What the edge may ask of the broker, and what it is told. BrokerPort is implemented by edge/link (EdgeLink)
// and by fakes in tests; FeedSink is implemented by the hub.
//
// Thread: the loop. Answers always come on a later turn, exactly once, also when the broker dies meanwhile
// (Errc::unavailable after the request's deadline): whoever asks need not keep a timer.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "proto/link_message.h"

namespace tocsin::edge {

template <typename T>
using Answer = std::function<void(Result<T>)>;

class BrokerPort {
 public:
  virtual ~BrokerPort() = default;
  BrokerPort(const BrokerPort&) = delete;
  BrokerPort& operator=(const BrokerPort&) = delete;

  /// Declares interest (0 -> 1 subscribers) or withdraws it. FeedSink::on_attached follows want(), now or
  /// whenever the broker is reached; it is repeated by itself on every reconnect.
  virtual void want(const std::string& channel) = 0;
  virtual void unwant(const std::string& channel) = 0;

  /// Refused with overloaded when the bounded queue of unanswered publishes is full. A publish that was sent
  /// when the broker died is sent again to the restarted one: the event_id (made up here when absent) makes
  /// that safe.
  virtual void publish(std::vector<Draft> drafts, Answer<std::vector<link::PublishOutcome>> answer) = 0;
  /// Records after `after`, oldest first, at most max_bytes; the answer's head tells whether more follow.
  /// Identical reads that are under way are asked once. position_lost when the epoch or the offset is gone.
  virtual void read(const std::string& channel, Position after, std::uint32_t max_bytes,
                    Answer<link::ReadResult> answer) = 0;
  /// One page of a consistent snapshot, see link::SnapshotNext.
  virtual void snapshot(const std::string& channel, const std::string& cursor,
                        Answer<link::SnapshotPage> answer) = 0;
  virtual void cancel_snapshot(const std::string& channel, const std::string& cursor) = 0;
  virtual void list_incidents(link::ListIncidents query, Answer<link::IncidentsPage> answer) = 0;
  virtual void get_incident(link::GetIncident query, Answer<link::IncidentsPage> answer) = 0;
  virtual void get_channel(const std::string& channel, Answer<link::ChannelInfo> answer) = 0;

  virtual void put_session(link::SessionRecord record, bool connected) = 0;
  /// Those of clients that are connected, together.
  virtual void put_sessions(std::vector<link::SessionRecord> records) {
    for (auto& record : records) put_session(std::move(record), true);
  }
  /// Takes the session over with a ticket of this fence. unauthorized: that ticket was used before;
  /// forbidden: the session is another subject's. Nothing is changed then.
  virtual void claim_session(const std::string& id, std::uint64_t fence, const std::string& subject,
                             Answer<link::SessionState> answer) = 0;
  virtual void drop_session(const std::string& id, std::uint64_t fence) = 0;

  /// Sends records of sessions to the edge where they will be resumed; the broker keeps them as put on the
  /// way. An answer with a fault has accepted some of them; an error: none. unavailable: no such edge is
  /// there.
  virtual void stage_sessions(const std::string& target, std::vector<link::SessionRecord> records,
                              Answer<link::StageAnswer> answer) = 0;
  /// Tells moved.to, the edge that had the session, what became of it here. Lost while the broker is away.
  virtual void session_moved(link::SessionMoved moved) = 0;
  /// Takes tokens or subjects back, everywhere: answered when the broker keeps it and has told every edge.
  virtual void revoke(std::vector<link::Revocation>, Answer<link::RevokeAnswer> answer) {
    answer(Error{Errc::unavailable, "this edge revokes nothing"});
  }
  /// Tells how many sessions addresses and subjects have here. False: it did not get away.
  virtual bool report_counts(const link::CountsReport&) { return false; }
  /// The broker is reached and takes updates.
  [[nodiscard]] virtual bool ready() const { return true; }
  /// All edges the broker knows, this one too, as of its last heartbeat; empty until it was reached once.
  [[nodiscard]] virtual const std::vector<link::EdgeInfo>& edges() const = 0;
  /// What all edges did, by the broker's last heartbeat; nothing before the first.
  [[nodiscard]] virtual link::Traffic traffic() const { return {}; }

  /// Key that signs tickets, shared by the cluster; empty until the broker was reached once.
  [[nodiscard]] virtual const std::string& ticket_key() const = 0;
  /// Keys that verify tickets, ticket_key() first.
  [[nodiscard]] virtual const std::vector<std::string>& ticket_keys() const = 0;

 protected:
  BrokerPort() = default;
};

class FeedSink {
 public:
  virtual ~FeedSink() = default;
  FeedSink(const FeedSink&) = delete;
  FeedSink& operator=(const FeedSink&) = delete;

  /// The feed of a wanted channel starts: updates after head.last follow, contiguous, each once. Called again
  /// only when the epoch changed or when history fell away underneath a gap (`lost` says why; empty the first
  /// time): everything up to head.last is then unknown to this edge.
  virtual void on_attached(const link::Head& head, std::string_view lost) = 0;
  /// The next updates of an attached channel: first offset = last one told + 1.
  virtual void on_updates(const std::string& channel, const std::vector<Record>& records) = 0;
  /// Another edge took this session over: its socket here, if it is still there, is closed as replaced.
  virtual void on_session_fenced(const std::string& session, std::uint64_t fence) = 0;
  /// Sessions of another edge that will be resumed here. The answer's `ref` and `to` are filled in by the
  /// caller.
  virtual link::StageAnswer on_stage(const link::StageSessions&) {
    return {0, {}, 0, link::fault_of({Errc::unavailable, "this edge takes no sessions of others"})};
  }
  /// Tokens and subjects that were taken back, maybe known already.
  virtual void on_revocations(const std::vector<link::Revocation>&) {}
  /// The broker begins anew with this edge: it knows nothing of what it was told before.
  virtual void on_welcomed() {}
  /// How many sessions addresses and subjects have on other edges.
  virtual void on_counts(const link::CountsTold&) {}
  /// A session that was here was resumed elsewhere.
  virtual void on_session_moved(const link::SessionMoved&) {}

 protected:
  FeedSink() = default;
};

}  // namespace tocsin::edge
