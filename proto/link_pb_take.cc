// Protobuf into structs of link_message.h.
#include <utility>

#include "proto/link_pb.h"

namespace tocsin::link {
namespace {

Head take(const pb::Head& p) { return {p.channel(), Epoch{p.epoch()}, p.first(), p.last()}; }

template <typename P>
Fault take_fault(const P& p) {
  return {p.error(), p.detail()};
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
std::vector<IncidentState> take_incidents(P& p) {
  std::vector<IncidentState> out;
  out.reserve(static_cast<std::size_t>(p.incidents_size()));
  for (auto& i : *p.mutable_incidents())
    out.push_back({std::move(*i.mutable_key()), i.offset(), std::move(*i.mutable_json())});
  return out;
}

template <typename P>
std::vector<Count> take_counts(const P& p) {
  std::vector<Count> out;
  out.reserve(static_cast<std::size_t>(p.counts_size()));
  for (const auto& c : p.counts()) out.push_back({c.key(), c.n()});
  return out;
}

SessionRecord take(const pb::SessionRecord& p) {
  SessionRecord r{p.id(), p.subject(), p.fence(), {}, p.edge(), p.rows()};
  for (const auto& s : p.subs())
    r.subs.push_back({s.id(),
                      s.channel(),
                      s.filter(),
                      {Epoch{s.epoch()}, s.offset()},
                      s.conflate(),
                      s.max_rate(),
                      s.door(),
                      s.never_conflate()});
  return r;
}

Traffic take(const pb::Traffic& p) {
  return {p.opened(), p.sent(),           p.received(),  p.day(),         p.opened_today(),
          p.minute(), p.sent_in_minute(), p.lasted_ms(), p.lasted_count()};
}

BrokerHeartbeat take(const pb::BrokerHeartbeat& p) {
  BrokerHeartbeat m{p.seq(), {}, p.canary(), p.not_ready(), {}};
  for (const auto& h : p.heads()) m.heads.push_back(take(h));
  for (const auto& e : p.edges())
    m.edges.push_back({e.id(), e.endpoint(), e.revision(), e.state(), e.clients(), e.clients_max(),
                       e.take_per_s(), e.load(), e.weight()});
  m.traffic = take(p.traffic());
  return m;
}

/// Of what this version does not know nothing is left out silently: it counts as a subject, the wider one.
template <typename P>
std::vector<Revocation> take_revocations(const P& p) {
  std::vector<Revocation> out;
  for (const auto& r : p.revocations())
    out.push_back({r.of() == 0 ? Revocation::Of::token : Revocation::Of::subject, r.name(), r.before_ms(),
                   r.until_ms(), r.number()});
  return out;
}

Result<Message> take_across(pb::LinkFrame& f) {
  switch (f.message_case()) {
    case pb::LinkFrame::kStageSessions: {
      const auto& p = f.stage_sessions();
      StageSessions staged{p.ref(), p.from(), p.target(), {}};
      for (const auto& record : p.records()) staged.records.push_back(take(record));
      return Message{std::move(staged)};
    }
    case pb::LinkFrame::kStageAnswer: {
      const auto& p = f.stage_answer();
      return Message{StageAnswer{p.ref(), p.to(), p.accepted(), take_fault(p)}};
    }
    case pb::LinkFrame::kSessionMoved: {
      const auto& p = f.session_moved();
      return Message{SessionMoved{p.id(), p.fence(), p.to(), p.by(), p.outcome()}};
    }
    default:
      return Error{Errc::invalid_argument, "unknown link message"};
  }
}

Result<Message> take_up(pb::LinkFrame& f) {
  switch (f.message_case()) {
    case pb::LinkFrame::kHello: {
      const auto& p = f.hello();
      return Message{Hello{p.version(), p.role(), p.id(), p.instance(), p.revision(), p.endpoint()}};
    }
    case pb::LinkFrame::kEdgeHeartbeat: {
      const auto& p = f.edge_heartbeat();
      return Message{EdgeHeartbeat{p.seq(), p.received_bytes(), p.clients(), p.state(), p.clients_max(),
                                   p.take_per_s(), p.load(), p.weight(), take(p.traffic())}};
    }
    case pb::LinkFrame::kInterest:
      return Message{Interest{f.interest().channel(), f.interest().want()}};
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
    case pb::LinkFrame::kGetChannel:
      return Message{GetChannel{f.get_channel().ref(), f.get_channel().channel()}};
    case pb::LinkFrame::kSessionPuts: {
      SessionPuts all;
      for (auto& one : *f.mutable_session_puts()->mutable_puts())
        all.puts.push_back({take(*one.mutable_record()), one.connected()});
      return Message{std::move(all)};
    }
    case pb::LinkFrame::kSessionPut:
      return Message{SessionPut{take(f.session_put().record()), f.session_put().connected()}};
    case pb::LinkFrame::kSessionClaim: {
      const auto& p = f.session_claim();
      return Message{SessionClaim{p.ref(), p.id(), p.edge(), p.fence(), p.subject()}};
    }
    case pb::LinkFrame::kSessionDrop:
      return Message{SessionDrop{f.session_drop().id(), f.session_drop().fence()}};
    case pb::LinkFrame::kRevoke:
      return Message{Revoke{f.revoke().ref(), take_revocations(f.revoke())}};
    case pb::LinkFrame::kRevocationsAsk:
      return Message{RevocationsAsk{f.revocations_ask().list(), f.revocations_ask().after()}};
    default:
      return take_across(f);
  }
}

}  // namespace

Result<Message> take(pb::LinkFrame& f) {
  switch (f.message_case()) {
    case pb::LinkFrame::kWelcome: {
      const auto& p = f.welcome();
      return Message{Welcome{p.cluster(),
                             p.instance(),
                             p.ticket_key(),
                             p.heartbeat_ms(),
                             p.publish_window(),
                             {p.ticket_keys().begin(), p.ticket_keys().end()}}};
    }
    case pb::LinkFrame::kRefused:
      return Message{Refused{{f.refused().code(), f.refused().detail()}}};
    case pb::LinkFrame::kBrokerHeartbeat:
      return Message{take(f.broker_heartbeat())};
    case pb::LinkFrame::kInterestAck:
      return Message{InterestAck{take(f.interest_ack().head())}};
    case pb::LinkFrame::kReadResult: {
      auto& p = *f.mutable_read_result();
      return Message{ReadResult{p.ref(), take(p.head()), take_records(p), take_fault(p)}};
    }
    case pb::LinkFrame::kSnapshotPage: {
      auto& p = *f.mutable_snapshot_page();
      return Message{SnapshotPage{
          p.ref(), {Epoch{p.epoch()}, p.offset()}, take_incidents(p), p.last(), p.cursor(), take_fault(p)}};
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
      return Message{SessionState{p.ref(), p.found(), take(p.record()), take_fault(p), p.former()}};
    }
    case pb::LinkFrame::kSessionFenced: {
      const auto& p = f.session_fenced();
      return Message{SessionFenced{p.id(), p.fence(), p.edge()}};
    }
    case pb::LinkFrame::kCountsReport: {
      const auto& p = f.counts_report();
      return Message{CountsReport{p.first(), take_counts(p), p.limit_ip(), p.limit_subject(), p.limit_all()}};
    }
    case pb::LinkFrame::kCountsTold:
      return Message{CountsTold{f.counts_told().first(), take_counts(f.counts_told())}};
    case pb::LinkFrame::kTicketKeys:
      return Message{TicketKeys{{f.ticket_keys().keys().begin(), f.ticket_keys().keys().end()}}};
    case pb::LinkFrame::kRevocations: {
      const auto& p = f.revocations();
      return Message{Revocations{p.list(), p.after(), p.last(), take_revocations(p)}};
    }
    case pb::LinkFrame::kRevokeAnswer:
      return Message{RevokeAnswer{f.revoke_answer().ref(), take_fault(f.revoke_answer())}};
    default:
      return take_up(f);
  }
}

}  // namespace tocsin::link
