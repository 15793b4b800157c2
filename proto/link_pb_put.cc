// Structs of link_message.h into protobuf: one function a message.
#include "proto/link_pb.h"

namespace tocsin::link {
namespace {

constexpr std::uint64_t raw(Epoch e) noexcept { return static_cast<std::uint64_t>(e); }

void put(pb::Head& p, const Head& h) {
  p.set_channel(h.channel);
  p.set_epoch(raw(h.epoch));
  p.set_first(h.first);
  p.set_last(h.last);
}

template <typename P>
void put_fault(P& p, const Fault& f) {
  if (f.ok()) return;
  p.set_error(f.code);
  p.set_detail(f.detail);
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
void put_counts(P& p, const std::vector<Count>& counts) {
  for (const auto& count : counts) {
    auto* c = p.add_counts();
    c->set_key(count.key);
    c->set_n(count.n);
  }
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

void put(pb::SessionRecord& p, const SessionRecord& r) {
  p.set_id(r.id);
  p.set_subject(r.subject);
  p.set_fence(r.fence);
  p.set_edge(r.edge);
  p.set_rows(r.rows);
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
    out->set_never_conflate(s.never_conflate);
  }
}

template <typename P>
void put_revocations(P& p, const std::vector<Revocation>& revocations) {
  for (const auto& r : revocations) {
    auto* out = p.add_revocations();
    out->set_of(static_cast<std::uint32_t>(r.of));
    out->set_name(r.name);
    out->set_before_ms(r.before_ms);
    out->set_until_ms(r.until_ms);
    out->set_number(r.number);
  }
}

void put(pb::EdgeInfo& p, const EdgeInfo& e) {
  p.set_id(e.id);
  p.set_endpoint(e.endpoint);
  p.set_revision(e.revision);
  p.set_state(e.state);
  p.set_clients(e.clients);
  p.set_clients_max(e.clients_max);
  p.set_take_per_s(e.take_per_s);
  p.set_load(e.load);
  p.set_weight(e.weight);
}

void put(pb::Traffic& p, const Traffic& t) {
  p.set_opened(t.opened);
  p.set_sent(t.sent);
  p.set_received(t.received);
  p.set_day(t.day);
  p.set_opened_today(t.opened_today);
  p.set_minute(t.minute);
  p.set_sent_in_minute(t.sent_in_minute);
  p.set_lasted_ms(t.lasted_ms);
  p.set_lasted_count(t.lasted_count);
}

/// Counts that say nothing are not sent, as by versions that have none.
template <typename P>
void drop_empty_traffic(P& p) {
  if (p.has_traffic() && p.traffic().ByteSizeLong() == 0) p.clear_traffic();
}

}  // namespace

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
  p->set_clients_max(m.clients_max);
  p->set_take_per_s(m.take_per_s);
  p->set_load(m.load);
  p->set_weight(m.weight);
  put(*p->mutable_traffic(), m.traffic);
  drop_empty_traffic(*p);
}
void put(pb::LinkFrame& f, const Interest& m) {
  auto* p = f.mutable_interest();
  p->set_channel(m.channel);
  p->set_want(m.want);
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
void put(pb::SessionPut& p, const SessionPut& m) {
  put(*p.mutable_record(), m.record);
  p.set_connected(m.connected);
}
void put(pb::LinkFrame& f, const SessionPut& m) { put(*f.mutable_session_put(), m); }
void put(pb::LinkFrame& f, const SessionPuts& m) {
  auto* p = f.mutable_session_puts();  // also when it is empty
  for (const auto& one : m.puts) put(*p->add_puts(), one);
}
void put(pb::LinkFrame& f, const SessionClaim& m) {
  auto* p = f.mutable_session_claim();
  p->set_ref(m.ref);
  p->set_id(m.id);
  p->set_edge(m.edge);
  p->set_fence(m.fence);
  p->set_subject(m.subject);
}
void put(pb::LinkFrame& f, const SessionDrop& m) {
  auto* p = f.mutable_session_drop();
  p->set_id(m.id);
  p->set_fence(m.fence);
}
void put(pb::LinkFrame& f, const Welcome& m) {
  auto* p = f.mutable_welcome();
  p->set_cluster(m.cluster);
  p->set_instance(m.instance);
  p->set_ticket_key(m.ticket_key);
  p->set_heartbeat_ms(m.heartbeat_ms);
  p->set_publish_window(m.publish_window);
  for (const auto& key : m.ticket_keys) p->add_ticket_keys(key);
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
  for (const auto& e : m.edges) put(*p->add_edges(), e);
  if (!m.edges.empty()) put(*p->mutable_traffic(), m.traffic);
  drop_empty_traffic(*p);
}
void put(pb::LinkFrame& f, const InterestAck& m) { put(*f.mutable_interest_ack()->mutable_head(), m.head); }
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
  put_fault(*p, m.fault);
  p->set_former(m.former);
}
void put(pb::LinkFrame& f, const SessionFenced& m) {
  auto* p = f.mutable_session_fenced();
  p->set_id(m.id);
  p->set_fence(m.fence);
  p->set_edge(m.edge);
}
void put(pb::LinkFrame& f, const StageSessions& m) {
  auto* p = f.mutable_stage_sessions();
  p->set_ref(m.ref);
  p->set_from(m.from);
  p->set_target(m.target);
  for (const auto& record : m.records) put(*p->add_records(), record);
}
void put(pb::LinkFrame& f, const StageAnswer& m) {
  auto* p = f.mutable_stage_answer();
  p->set_ref(m.ref);
  p->set_to(m.to);
  p->set_accepted(m.accepted);
  put_fault(*p, m.fault);
}
void put(pb::LinkFrame& f, const SessionMoved& m) {
  auto* p = f.mutable_session_moved();
  p->set_id(m.id);
  p->set_fence(m.fence);
  p->set_to(m.to);
  p->set_by(m.by);
  p->set_outcome(m.outcome);
}
void put(pb::LinkFrame& f, const CountsReport& m) {
  auto* p = f.mutable_counts_report();
  p->set_first(m.first);
  p->set_limit_ip(m.limit_ip);
  p->set_limit_subject(m.limit_subject);
  p->set_limit_all(m.limit_all);
  put_counts(*p, m.counts);
}
void put(pb::LinkFrame& f, const CountsTold& m) {
  auto* p = f.mutable_counts_told();
  p->set_first(m.first);
  put_counts(*p, m.counts);
}
void put(pb::LinkFrame& f, const TicketKeys& m) {
  auto* p = f.mutable_ticket_keys();  // also when it is empty
  for (const auto& key : m.keys) p->add_keys(key);
}
void put(pb::LinkFrame& f, const Revoke& m) {
  auto* p = f.mutable_revoke();
  p->set_ref(m.ref);
  put_revocations(*p, m.revocations);
}
void put(pb::LinkFrame& f, const RevocationsAsk& m) {
  auto* p = f.mutable_revocations_ask();
  p->set_list(m.list);
  p->set_after(m.after);
}
void put(pb::LinkFrame& f, const Revocations& m) {
  auto* p = f.mutable_revocations();
  p->set_list(m.list);
  p->set_after(m.after);
  p->set_last(m.last);
  put_revocations(*p, m.revocations);
}
void put(pb::LinkFrame& f, const RevokeAnswer& m) {
  auto* p = f.mutable_revoke_answer();
  p->set_ref(m.ref);
  put_fault(*p, m.fault);
}

}  // namespace tocsin::link
