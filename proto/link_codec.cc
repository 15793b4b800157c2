// Bytes <-> structs of link_message.h. One pair of functions a message: put() fills the protobuf, take() reads it.
#include <google/protobuf/arena.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "common/json/json.h"
#include "proto/link.pb.h"
#include "proto/link_message.h"

namespace tocsin::link {
namespace {

constexpr std::uint64_t raw(Epoch e) noexcept { return static_cast<std::uint64_t>(e); }

void put(pb::Head& p, const Head& h) {
  p.set_channel(h.channel);
  p.set_epoch(raw(h.epoch));
  p.set_first(h.first);
  p.set_last(h.last);
}
Head take(const pb::Head& p) { return {p.channel(), Epoch{p.epoch()}, p.first(), p.last()}; }

template <typename P>
void put_fault(P& p, const Fault& f) {
  if (f.ok()) return;
  p.set_error(f.code);
  p.set_detail(f.detail);
}
template <typename P>
Fault take_fault(const P& p) {
  return {p.error(), p.detail()};
}

template <typename P>
void put_records(P& p, const std::vector<Record>& records) {
  p.mutable_records()->Reserve(static_cast<int>(records.size()));
  for (const Record& r : records) {
    auto* out = p.add_records();
    out->set_offset(r.offset);
    out->set_body(*r.bytes);
  }
}
template <typename P>
std::vector<Record> take_records(P& p) {
  std::vector<Record> out;
  out.reserve(static_cast<std::size_t>(p.records_size()));
  for (auto& r : *p.mutable_records())
    out.push_back({r.offset(), std::make_shared<const std::string>(std::move(*r.mutable_body()))});
  return out;
}

template <typename P>
void put_incidents(P& p, const std::vector<IncidentState>& incidents) {
  for (const auto& i : incidents) {
    auto* out = p.add_incidents();
    out->set_key(i.key);
    out->set_offset(i.offset);
    out->set_json(i.json);
  }
}
template <typename P>
std::vector<IncidentState> take_incidents(P& p) {
  std::vector<IncidentState> out;
  out.reserve(static_cast<std::size_t>(p.incidents_size()));
  for (auto& i : *p.mutable_incidents())
    out.push_back({std::move(*i.mutable_key()), i.offset(), std::move(*i.mutable_json())});
  return out;
}

void put(pb::SessionRecord& p, const SessionRecord& r) {
  p.set_id(r.id);
  p.set_subject(r.subject);
  p.set_fence(r.fence);
  p.set_edge(r.edge);
  for (const auto& s : r.subs) {
    auto* out = p.add_subs();
    out->set_id(s.id);
    out->set_channel(s.channel);
    out->set_filter(s.filter);
    out->set_epoch(raw(s.position.epoch));
    out->set_offset(s.position.offset);
    out->set_conflate(s.conflate);
    out->set_max_rate(s.max_rate);
    out->set_door(s.door);
  }
}
SessionRecord take(const pb::SessionRecord& p) {
  SessionRecord r{p.id(), p.subject(), p.fence(), {}, p.edge()};
  for (const auto& s : p.subs())
    r.subs.push_back({s.id(), s.channel(), s.filter(), {Epoch{s.epoch()}, s.offset()}, s.conflate(), s.max_rate(), s.door()});
  return r;
}

// ---- drafts
void put(pb::Draft& p, const Draft& d) {
  p.set_channel(d.channel);
  p.set_event_id(d.event_id);
  p.set_kind(d.kind);
  p.set_key(d.key);
  p.set_at(d.at);
  p.set_actor(d.actor);
  p.set_incident(d.incident);
  p.set_event_name(d.event_name);
  p.set_event_data(d.event_data);
  if (d.if_version) p.set_if_version(*d.if_version);
}
Draft take(pb::Draft& p) {
  Draft d;
  d.channel = std::move(*p.mutable_channel());
  d.event_id = std::move(*p.mutable_event_id());
  d.kind = std::move(*p.mutable_kind());
  d.key = std::move(*p.mutable_key());
  d.at = std::move(*p.mutable_at());
  d.actor = std::move(*p.mutable_actor());
  d.incident = std::move(*p.mutable_incident());
  d.event_name = std::move(*p.mutable_event_name());
  d.event_data = std::move(*p.mutable_event_data());
  if (p.has_if_version()) d.if_version = p.if_version();
  return d;
}

// ---- up
void put(pb::LinkFrame& f, const Hello& m) {
  auto* p = f.mutable_hello();
  p->set_version(m.version);
  p->set_role(m.role);
  p->set_id(m.id);
  p->set_instance(m.instance);
  p->set_revision(m.revision);
  p->set_endpoint(m.endpoint);
}
void put(pb::LinkFrame& f, const EdgeHeartbeat& m) {
  auto* p = f.mutable_edge_heartbeat();
  p->set_seq(m.seq);
  p->set_received_bytes(m.received_bytes);
  p->set_clients(m.clients);
  p->set_state(m.state);
}
void put(pb::LinkFrame& f, const Interest& m) {
  auto* p = f.mutable_interest();
  p->set_channel(m.channel);
  p->set_want(m.want);
}
void put(pb::LinkFrame& f, const Publish& m) {
  auto* p = f.mutable_publish();
  p->set_ref(m.ref);
  for (const auto& d : m.drafts) put(*p->add_drafts(), d);
}
void put(pb::LinkFrame& f, const Read& m) {
  auto* p = f.mutable_read();
  p->set_ref(m.ref);
  p->set_channel(m.channel);
  p->set_epoch(raw(m.epoch));
  p->set_after(m.after);
  p->set_max_count(m.max_count);
  p->set_max_bytes(m.max_bytes);
}
void put(pb::LinkFrame& f, const SnapshotNext& m) {
  auto* p = f.mutable_snapshot_next();
  p->set_ref(m.ref);
  p->set_channel(m.channel);
  p->set_cursor(m.cursor);
  p->set_cancel(m.cancel);
}
void put(pb::LinkFrame& f, const ListIncidents& m) {
  auto* p = f.mutable_list_incidents();
  p->set_ref(m.ref);
  p->set_channel(m.channel);
  p->set_filter(m.filter);
  p->set_cursor(m.cursor);
  p->set_limit(m.limit);
}
void put(pb::LinkFrame& f, const GetIncident& m) {
  auto* p = f.mutable_get_incident();
  p->set_ref(m.ref);
  p->set_channel(m.channel);
  p->set_key(m.key);
}
void put(pb::LinkFrame& f, const GetChannel& m) {
  auto* p = f.mutable_get_channel();
  p->set_ref(m.ref);
  p->set_channel(m.channel);
}
void put(pb::LinkFrame& f, const SessionPut& m) {
  auto* p = f.mutable_session_put();
  put(*p->mutable_record(), m.record);
  p->set_connected(m.connected);
}
void put(pb::LinkFrame& f, const SessionClaim& m) {
  auto* p = f.mutable_session_claim();
  p->set_ref(m.ref);
  p->set_id(m.id);
  p->set_edge(m.edge);
}
void put(pb::LinkFrame& f, const SessionDrop& m) {
  auto* p = f.mutable_session_drop();
  p->set_id(m.id);
  p->set_fence(m.fence);
}

// ---- down
void put(pb::LinkFrame& f, const Welcome& m) {
  auto* p = f.mutable_welcome();
  p->set_cluster(m.cluster);
  p->set_instance(m.instance);
  p->set_ticket_key(m.ticket_key);
  p->set_heartbeat_ms(m.heartbeat_ms);
  p->set_publish_window(m.publish_window);
}
void put(pb::LinkFrame& f, const Refused& m) {
  auto* p = f.mutable_refused();
  p->set_code(m.fault.code);
  p->set_detail(m.fault.detail);
}
void put(pb::LinkFrame& f, const BrokerHeartbeat& m) {
  auto* p = f.mutable_broker_heartbeat();
  p->set_seq(m.seq);
  for (const auto& h : m.heads) put(*p->add_heads(), h);
  p->set_canary(m.canary);
  p->set_not_ready(m.not_ready);
}
void put(pb::LinkFrame& f, const InterestAck& m) { put(*f.mutable_interest_ack()->mutable_head(), m.head); }
void put(pb::LinkFrame& f, const Updates& m) {
  auto* p = f.mutable_updates();
  p->set_channel(m.channel);
  p->set_epoch(raw(m.epoch));
  put_records(*p, m.records);
}
void put(pb::LinkFrame& f, const PublishResult& m) {
  auto* p = f.mutable_publish_result();
  p->set_ref(m.ref);
  for (const auto& o : m.outcomes) {
    auto* out = p->add_outcomes();
    out->set_epoch(raw(o.position.epoch));
    out->set_offset(o.position.offset);
    out->set_duplicate(o.duplicate);
    out->set_durability(std::string(to_text(o.durability)));
    out->set_version(o.version);
    out->set_event_id(o.event_id);
    put_fault(*out, o.fault);
  }
}
void put(pb::LinkFrame& f, const ReadResult& m) {
  auto* p = f.mutable_read_result();
  p->set_ref(m.ref);
  put(*p->mutable_head(), m.head);
  put_records(*p, m.records);
  put_fault(*p, m.fault);
}
void put(pb::LinkFrame& f, const SnapshotPage& m) {
  auto* p = f.mutable_snapshot_page();
  p->set_ref(m.ref);
  p->set_epoch(raw(m.position.epoch));
  p->set_offset(m.position.offset);
  put_incidents(*p, m.incidents);
  p->set_last(m.last);
  p->set_cursor(m.cursor);
  put_fault(*p, m.fault);
}
void put(pb::LinkFrame& f, const IncidentsPage& m) {
  auto* p = f.mutable_incidents_page();
  p->set_ref(m.ref);
  put(*p->mutable_head(), m.head);
  put_incidents(*p, m.incidents);
  p->set_cursor(m.cursor);
  put_fault(*p, m.fault);
}
void put(pb::LinkFrame& f, const ChannelInfo& m) {
  auto* p = f.mutable_channel_info();
  p->set_ref(m.ref);
  put(*p->mutable_head(), m.head);
  put_fault(*p, m.fault);
}
void put(pb::LinkFrame& f, const SessionState& m) {
  auto* p = f.mutable_session_state();
  p->set_ref(m.ref);
  p->set_found(m.found);
  put(*p->mutable_record(), m.record);
}
void put(pb::LinkFrame& f, const SessionFenced& m) {
  auto* p = f.mutable_session_fenced();
  p->set_id(m.id);
  p->set_fence(m.fence);
  p->set_edge(m.edge);
}

// ---- reading
Publish take(pb::Publish& p) {
  Publish m{p.ref(), {}};
  m.drafts.reserve(static_cast<std::size_t>(p.drafts_size()));
  for (auto& d : *p.mutable_drafts()) m.drafts.push_back(take(d));
  return m;
}
Durability take_durability(std::string_view text) {
  for (const auto d : {Durability::memory, Durability::quorum})
    if (text == to_text(d)) return d;
  return Durability::disk;
}
PublishResult take(pb::PublishResult& p) {
  PublishResult m{p.ref(), {}};
  m.outcomes.reserve(static_cast<std::size_t>(p.outcomes_size()));
  for (auto& o : *p.mutable_outcomes())
    m.outcomes.push_back({{Epoch{o.epoch()}, o.offset()}, o.duplicate(), take_durability(o.durability()), o.version(),
                          std::move(*o.mutable_event_id()), take_fault(o)});
  return m;
}
BrokerHeartbeat take(const pb::BrokerHeartbeat& p) {
  BrokerHeartbeat m{p.seq(), {}, p.canary(), p.not_ready()};
  for (const auto& h : p.heads()) m.heads.push_back(take(h));
  return m;
}

Result<Message> take_up(pb::LinkFrame& f) {
  switch (f.message_case()) {
    case pb::LinkFrame::kHello: {
      const auto& p = f.hello();
      return Message{Hello{p.version(), p.role(), p.id(), p.instance(), p.revision(), p.endpoint()}};
    }
    case pb::LinkFrame::kEdgeHeartbeat: {
      const auto& p = f.edge_heartbeat();
      return Message{EdgeHeartbeat{p.seq(), p.received_bytes(), p.clients(), p.state()}};
    }
    case pb::LinkFrame::kInterest: return Message{Interest{f.interest().channel(), f.interest().want()}};
    case pb::LinkFrame::kPublish: return Message{take(*f.mutable_publish())};
    case pb::LinkFrame::kRead: {
      const auto& p = f.read();
      return Message{Read{p.ref(), p.channel(), Epoch{p.epoch()}, p.after(), p.max_count(), p.max_bytes()}};
    }
    case pb::LinkFrame::kSnapshotNext: {
      const auto& p = f.snapshot_next();
      return Message{SnapshotNext{p.ref(), p.channel(), p.cursor(), p.cancel()}};
    }
    case pb::LinkFrame::kListIncidents: {
      const auto& p = f.list_incidents();
      return Message{ListIncidents{p.ref(), p.channel(), p.filter(), p.cursor(), p.limit()}};
    }
    case pb::LinkFrame::kGetIncident: {
      const auto& p = f.get_incident();
      return Message{GetIncident{p.ref(), p.channel(), p.key()}};
    }
    case pb::LinkFrame::kGetChannel: return Message{GetChannel{f.get_channel().ref(), f.get_channel().channel()}};
    case pb::LinkFrame::kSessionPut:
      return Message{SessionPut{take(f.session_put().record()), f.session_put().connected()}};
    case pb::LinkFrame::kSessionClaim: {
      const auto& p = f.session_claim();
      return Message{SessionClaim{p.ref(), p.id(), p.edge()}};
    }
    case pb::LinkFrame::kSessionDrop: return Message{SessionDrop{f.session_drop().id(), f.session_drop().fence()}};
    default: return Error{Errc::invalid_argument, "unknown link message"};
  }
}

Result<Message> take_down(pb::LinkFrame& f) {
  switch (f.message_case()) {
    case pb::LinkFrame::kWelcome: {
      const auto& p = f.welcome();
      return Message{Welcome{p.cluster(), p.instance(), p.ticket_key(), p.heartbeat_ms(), p.publish_window()}};
    }
    case pb::LinkFrame::kRefused: return Message{Refused{{f.refused().code(), f.refused().detail()}}};
    case pb::LinkFrame::kBrokerHeartbeat: return Message{take(f.broker_heartbeat())};
    case pb::LinkFrame::kInterestAck: return Message{InterestAck{take(f.interest_ack().head())}};
    case pb::LinkFrame::kUpdates: {
      auto& p = *f.mutable_updates();
      return Message{Updates{p.channel(), Epoch{p.epoch()}, take_records(p)}};
    }
    case pb::LinkFrame::kPublishResult: return Message{take(*f.mutable_publish_result())};
    case pb::LinkFrame::kReadResult: {
      auto& p = *f.mutable_read_result();
      return Message{ReadResult{p.ref(), take(p.head()), take_records(p), take_fault(p)}};
    }
    case pb::LinkFrame::kSnapshotPage: {
      auto& p = *f.mutable_snapshot_page();
      return Message{SnapshotPage{p.ref(), {Epoch{p.epoch()}, p.offset()}, take_incidents(p), p.last(), p.cursor(), take_fault(p)}};
    }
    case pb::LinkFrame::kIncidentsPage: {
      auto& p = *f.mutable_incidents_page();
      return Message{IncidentsPage{p.ref(), take(p.head()), take_incidents(p), p.cursor(), take_fault(p)}};
    }
    case pb::LinkFrame::kChannelInfo: {
      const auto& p = f.channel_info();
      return Message{ChannelInfo{p.ref(), take(p.head()), take_fault(p)}};
    }
    case pb::LinkFrame::kSessionState: {
      const auto& p = f.session_state();
      return Message{SessionState{p.ref(), p.found(), take(p.record())}};
    }
    case pb::LinkFrame::kSessionFenced: {
      const auto& p = f.session_fenced();
      return Message{SessionFenced{p.id(), p.fence(), p.edge()}};
    }
    default: return take_up(f);
  }
}

constexpr auto kCodes = std::to_array<Errc>({
#define ERRC(name, wire_code, retry, text) Errc::name,
#include "common/errc.def"
#undef ERRC
});

/// Broken bytes are an answer to the caller, not a line on stderr for each: a hostile peer could fill the disk with them.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

bool fits_protobuf(std::string_view bytes) noexcept {
  return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

}  // namespace

Fault fault_of(const Error& error) { return {std::string(describe(error.code).name), error.detail}; }

Error error_of(const Fault& fault) {
  for (const Errc code : kCodes)
    if (describe(code).name == fault.code) return Error{code, fault.detail};
  return Error{Errc::internal, fault.code + ": " + fault.detail};
}

std::string encode(const Message& message) {
  google::protobuf::Arena arena;
  auto& frame = *google::protobuf::Arena::CreateMessage<pb::LinkFrame>(&arena);
  std::visit([&frame](const auto& m) { put(frame, m); }, message);
  return frame.SerializeAsString();
}

Result<Message> decode(std::string_view bytes) {
  pb::LinkFrame frame;
  if (!fits_protobuf(bytes) || !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{Errc::invalid_argument, "not a link message"};
  return take_down(frame);
}

std::string encode_update(const Update& u) {
  pb::UpdateBody p;
  p.set_event_id(u.event_id);
  p.set_kind(u.kind);
  p.set_key(u.key);
  p.set_at(u.at);
  p.set_actor(u.actor);
  for (const auto& name : u.changed) p.add_changed(name);
  p.set_incident(u.incident);
  p.set_event_name(u.event_name);
  p.set_event_data(u.event_data);
  p.set_ends(u.ends);
  return p.SerializeAsString();
}

Result<Update> decode_update(const Record& record) {
  pb::UpdateBody p;
  if (!fits_protobuf(*record.bytes) || !p.ParseFromString(*record.bytes))
    return Error{Errc::corrupt, "the update at offset " + std::to_string(record.offset)};
  Update u;
  u.offset = record.offset;
  u.event_id = std::move(*p.mutable_event_id());
  u.kind = std::move(*p.mutable_kind());
  u.key = std::move(*p.mutable_key());
  u.at = std::move(*p.mutable_at());
  u.actor = std::move(*p.mutable_actor());
  for (auto& name : *p.mutable_changed()) u.changed.push_back(std::move(name));
  u.incident = std::move(*p.mutable_incident());
  u.event_name = std::move(*p.mutable_event_name());
  u.event_data = std::move(*p.mutable_event_data());
  u.ends = p.ends();
  return u;
}

Result<std::string> event_id_of(std::string_view bytes) {
  pb::UpdateBody p;
  if (!fits_protobuf(bytes) || !p.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return Error{Errc::corrupt, "a stored update"};
  return std::move(*p.mutable_event_id());
}

}  // namespace tocsin::link
