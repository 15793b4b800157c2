#pragma once
// The messages of the link (LINK.md) as plain structs, and their bytes. Only this layer sees the generated
// protobuf. Values and pure functions; any thread. A `ref` is the asker's number and comes back in the
// answer.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/result.h"
#include "proto/update.h"

namespace tocsin::link {

inline constexpr std::uint32_t kVersion = 1;

/// A channel's extent: `first` is the oldest offset kept (last + 1 when nothing is).
struct Head {
  std::string channel;
  Epoch epoch{};
  Offset first = 1;
  Offset last = 0;
};
struct IncidentState {
  std::string key;
  Offset offset = 0;  ///< of the newest update that touched it
  std::string json;
};
/// A failure in an answer; `code` empty means success.
struct Fault {
  std::string code;  ///< an Errc name
  std::string detail;
  [[nodiscard]] bool ok() const noexcept { return code.empty(); }
};
[[nodiscard]] Fault fault_of(const Error& error);
[[nodiscard]] Error error_of(const Fault& fault);  ///< an unknown code becomes Errc::internal

struct SessionSub {
  std::string id;
  std::string channel;
  std::string filter;  ///< canonical JSON
  Position position;
  bool conflate = false;
  std::uint32_t max_rate = 0;  ///< updates per second, 0: unlimited
  std::string door;
  bool never_conflate = false;  ///< the client said `conflate:false`
};
struct SessionRecord {
  std::string id;
  std::string subject;
  std::uint64_t fence = 0;  ///< grows by one at every claim; the highest owns the session
  std::vector<SessionSub> subs;
  std::string edge;
  std::string rows{};  ///< names what its token let it see; empty: everything
};
/// What the cluster knows of an edge.
struct EdgeInfo {
  std::string id;
  std::string endpoint;
  std::string revision;
  std::string state;  ///< starting ready cordoned migrating settling empty stopping; silent: not heard of
  std::uint32_t clients = 0;
  std::uint32_t clients_max = 0;
  std::uint32_t take_per_s = 0;  ///< handshakes it will take in a second now; 0: none
  std::uint32_t load = 0;        ///< permille of what it can do, by the scarcest of its means
  std::uint32_t weight = 0;      ///< its share among edges, by configuration
};

/// What an edge did since it started, and lately: told with heartbeats, added up by the broker for who asks
/// any edge for the cluster's.
struct Traffic {
  std::uint64_t opened = 0;          ///< clients that connected
  std::uint64_t sent = 0;            ///< frames handed to clients
  std::uint64_t received = 0;        ///< frames of clients
  std::uint64_t day = 0;             ///< YYYYMMDD of the edge's local time
  std::uint64_t opened_today = 0;    ///< on that day
  std::uint64_t minute = 0;          ///< minutes since 1970
  std::uint64_t sent_in_minute = 0;  ///< in that one
  std::uint64_t lasted_ms = 0;       ///< of the newest hundred clients that went, added up
  std::uint64_t lasted_count = 0;    ///< how many those are
};

// ---- up: edge or publisher -> broker
struct Hello {
  std::uint32_t version = kVersion;
  std::string role;  ///< "edge" | "client" (publisher, tocsinctl)
  std::string id;
  std::uint64_t instance = 0;  ///< random per process start
  std::string revision;
  std::string endpoint;  ///< URL under which clients reach this edge
};
struct EdgeHeartbeat {
  std::uint64_t seq = 0;
  std::uint64_t received_bytes = 0;  ///< of Updates since Hello: the broker's lag bound works on it
  std::uint32_t clients = 0;
  std::string state;  ///< this and what follows: see EdgeInfo
  std::uint32_t clients_max = 0;
  std::uint32_t take_per_s = 0;
  std::uint32_t load = 0;
  std::uint32_t weight = 0;
  Traffic traffic{};
};
struct Interest {
  std::string channel;
  bool want = true;
};
struct Publish {
  std::uint64_t ref = 0;
  std::vector<Draft> drafts;
};
struct Read {
  std::uint64_t ref = 0;
  std::string channel;
  Epoch epoch{};
  Offset after = 0;
  std::uint32_t max_count = 0;
  std::uint32_t max_bytes = 0;
};
/// Empty cursor opens a consistent snapshot; pages follow by the cursor of the page before; cancel frees it.
struct SnapshotNext {
  std::uint64_t ref = 0;
  std::string channel;
  std::string cursor;
  bool cancel = false;
};
struct ListIncidents {
  std::uint64_t ref = 0;
  std::string channel;
  std::string filter;
  std::string cursor;
  std::uint32_t limit = 0;
};
struct GetIncident {
  std::uint64_t ref = 0;
  std::string channel;
  std::string key;
};
struct GetChannel {
  std::uint64_t ref = 0;
  std::string channel;
};
/// Stores the record if its fence is the session's current one (an older one is ignored).
struct SessionPut {
  SessionRecord record;
  bool connected = true;  ///< false: the socket is gone, the time-to-live starts
};
/// The records of many sessions that changed together.
struct SessionPuts {
  std::vector<SessionPut> puts;
};
/// Takes the session over: the broker raises the fence, tells the former edge, answers SessionState.
struct SessionClaim {
  std::uint64_t ref = 0;
  std::string id;
  std::string edge;
  std::uint64_t fence = 0;  ///< the ticket's: it must be the session's current one; 0: without a ticket
  std::string subject{};    ///< the ticket's: it must be the record's
};
/// A token, or all tokens of a subject, taken back before their end.
struct Revocation {
  enum class Of : std::uint8_t { token, subject };
  Of of = Of::token;
  std::string name;            ///< the token's id, or the subject
  std::int64_t before_ms = 0;  ///< of a subject: tokens issued later are good
  std::int64_t until_ms = 0;   ///< it ends by itself: no token lasts longer
  std::uint64_t number = 0;    ///< by the broker: ascending
  bool operator==(const Revocation&) const = default;
};
/// For the broker to keep, and to tell every edge.
struct Revoke {
  std::uint64_t ref = 0;
  std::vector<Revocation> revocations;
};
/// Tell me what came after this number of that list.
struct RevocationsAsk {
  std::uint64_t list = 0;
  std::uint64_t after = 0;
};
struct SessionDrop {
  std::string id;
  std::uint64_t fence = 0;
};

// ---- from edge to edge, through the broker
/// Sessions that will be resumed on `target`. The broker keeps each record as if it were put, and says who
/// sends.
struct StageSessions {
  std::uint64_t ref = 0;
  std::string from;  ///< the source, by the broker
  std::string target;
  std::vector<SessionRecord> records;
};
/// How many of the records the target made ready; `fault` says why not all.
struct StageAnswer {
  std::uint64_t ref = 0;
  std::string to;  ///< the source
  std::uint32_t accepted = 0;
  Fault fault;
};
/// A session of another edge was resumed here, and what became of its subscriptions is known.
struct SessionMoved {
  std::string id;
  std::uint64_t fence = 0;
  std::string to;       ///< the edge that had it: who is told
  std::string by;       ///< the edge that has it now, by the broker
  std::string outcome;  ///< the worst of its subscriptions': resumed | snapshot | lost
};

// ---- down: broker -> edge or publisher
struct Welcome {
  std::string cluster;
  std::uint64_t instance = 0;
  std::string ticket_key;
  std::uint32_t heartbeat_ms = 1000;
  std::uint32_t publish_window = 0;        ///< drafts that may be unanswered at once
  std::vector<std::string> ticket_keys{};  ///< all that are valid, as in TicketKeys
};
/// To edges, when it changes: the first signs, all verify.
struct TicketKeys {
  std::vector<std::string> keys;
};
struct Refused {
  Fault fault;
};
struct BrokerHeartbeat {
  std::uint64_t seq = 0;
  std::vector<Head> heads;  ///< of the channels of interest
  std::uint64_t canary = 0;
  std::string not_ready;          ///< empty, or why the broker cannot take updates
  std::vector<EdgeInfo> edges{};  ///< all that are known, by id; only edges are told
  Traffic traffic{};              ///< of all edges together; only edges are told
};
/// To edges: those after `after`, up to `last`, that have not ended.
struct Revocations {
  std::uint64_t list = 0;  ///< names the list: numbers of another one mean nothing
  std::uint64_t after = 0;
  std::uint64_t last = 0;
  std::vector<Revocation> revocations;
};
struct RevokeAnswer {
  std::uint64_t ref = 0;
  Fault fault;
};
struct InterestAck {
  Head head;
};
struct Updates {
  std::string channel;
  Epoch epoch{};
  std::vector<Record> records;     ///< contiguous, oldest first
  std::uint64_t committed_us = 0;  ///< since 1970, by the broker's clock: measured with, decides nothing
};
struct PublishOutcome {
  Position position;
  bool duplicate = false;
  Durability durability = Durability::disk;
  std::uint64_t version = 0;  ///< of the incident after the change
  std::string event_id;
  Fault fault;
};
struct PublishResult {
  std::uint64_t ref = 0;
  std::vector<PublishOutcome> outcomes;  ///< in the order of the drafts
};
struct ReadResult {
  std::uint64_t ref = 0;
  Head head;
  std::vector<Record> records;
  Fault fault;
};
struct SnapshotPage {
  std::uint64_t ref = 0;
  Position position;  ///< the same in all pages of one snapshot
  std::vector<IncidentState> incidents;
  bool last = false;
  std::string cursor;
  Fault fault;
};
struct IncidentsPage {  ///< also answers GetIncident: one incident or fault not_found
  std::uint64_t ref = 0;
  Head head;
  std::vector<IncidentState> incidents;
  std::string cursor;  ///< empty: no more
  Fault fault;
};
struct ChannelInfo {
  std::uint64_t ref = 0;
  Head head;
  Fault fault;
};
struct SessionState {
  std::uint64_t ref = 0;
  bool found = false;
  SessionRecord record;  ///< with the new fence, also when nothing was found
  Fault fault;  ///< unauthorized: the ticket was used before; forbidden: the session is another subject's
  std::string former;  ///< the edge that had it; empty: none, or the asker itself
};
struct SessionFenced {
  std::string id;
  std::uint64_t fence = 0;
  std::string edge;  ///< the new owner
};

/// How many sessions a key has; 0: none any more. Keys: `i` and an address, `s` and a subject, `a`: all.
struct Count {
  std::string key;
  std::uint32_t n = 0;
};
/// What changed on an edge.
struct CountsReport {
  bool first = false;  ///< everything this edge has: what was said before is forgotten
  std::vector<Count> counts;
  std::uint32_t limit_ip = 0;  ///< from half of these on it wants to be told; 0: no limit
  std::uint32_t limit_subject = 0;
  std::uint32_t limit_all = 0;
};
/// What the other edges have.
struct CountsTold {
  bool first = false;  ///< everything it needs to know
  std::vector<Count> counts;
};

using Message =
    std::variant<Hello, EdgeHeartbeat, Interest, Publish, Read, SnapshotNext, ListIncidents, GetIncident,
                 GetChannel, SessionPut, SessionClaim, SessionDrop, Welcome, Refused, BrokerHeartbeat,
                 InterestAck, Updates, PublishResult, ReadResult, SnapshotPage, IncidentsPage, ChannelInfo,
                 SessionState, SessionFenced, SessionPuts, StageSessions, StageAnswer, SessionMoved,
                 TicketKeys, Revoke, RevocationsAsk, Revocations, RevokeAnswer, CountsReport, CountsTold>;

[[nodiscard]] std::string encode(const Message& message);
[[nodiscard]] std::string encode(const Publish& message);
[[nodiscard]] std::string encode(const Updates& message);
[[nodiscard]] std::string encode(const PublishResult& message);
/// One SessionPuts of encoded messages that hold a SessionPut each.
[[nodiscard]] std::string encode_session_puts(std::span<const std::string> session_puts);
/// Fails with invalid_argument for bytes that are not one whole known message.
[[nodiscard]] Result<Message> decode(std::string_view bytes);

/// The bytes of Record::bytes: everything of an update but its offset.
[[nodiscard]] std::string encode_update(const Update& update);
/// Fails with corrupt.
[[nodiscard]] Result<Update> decode_update(const Record& record);
/// Only the event_id of a stored record; cheap. Fails with corrupt.
[[nodiscard]] Result<std::string> event_id_of(std::string_view record_bytes);

}  // namespace tocsin::link
