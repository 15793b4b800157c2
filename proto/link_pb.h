#pragma once
// The link's messages as protobuf's objects, but for those of traffic_codec.h. Internal to proto.
#include "proto/link.pb.h"
#include "proto/link_message.h"

namespace tocsin::link {

void put(pb::LinkFrame& frame, const Hello& m);
void put(pb::LinkFrame& frame, const EdgeHeartbeat& m);
void put(pb::LinkFrame& frame, const Interest& m);
void put(pb::LinkFrame& frame, const Read& m);
void put(pb::LinkFrame& frame, const SnapshotNext& m);
void put(pb::LinkFrame& frame, const ListIncidents& m);
void put(pb::LinkFrame& frame, const GetIncident& m);
void put(pb::LinkFrame& frame, const GetChannel& m);
void put(pb::LinkFrame& frame, const SessionPut& m);
void put(pb::LinkFrame& frame, const SessionPuts& m);
void put(pb::LinkFrame& frame, const SessionClaim& m);
void put(pb::LinkFrame& frame, const SessionDrop& m);
void put(pb::LinkFrame& frame, const Welcome& m);
void put(pb::LinkFrame& frame, const Refused& m);
void put(pb::LinkFrame& frame, const BrokerHeartbeat& m);
void put(pb::LinkFrame& frame, const InterestAck& m);
void put(pb::LinkFrame& frame, const ReadResult& m);
void put(pb::LinkFrame& frame, const SnapshotPage& m);
void put(pb::LinkFrame& frame, const IncidentsPage& m);
void put(pb::LinkFrame& frame, const ChannelInfo& m);
void put(pb::LinkFrame& frame, const SessionState& m);
void put(pb::LinkFrame& frame, const SessionFenced& m);
void put(pb::LinkFrame& frame, const StageSessions& m);
void put(pb::LinkFrame& frame, const StageAnswer& m);
void put(pb::LinkFrame& frame, const SessionMoved& m);
void put(pb::LinkFrame& frame, const TicketKeys& m);
void put(pb::LinkFrame& frame, const Revoke& m);
void put(pb::LinkFrame& frame, const RevocationsAsk& m);
void put(pb::LinkFrame& frame, const Revocations& m);
void put(pb::LinkFrame& frame, const RevokeAnswer& m);
void put(pb::LinkFrame& frame, const CountsReport& m);
void put(pb::LinkFrame& frame, const CountsTold& m);

/// Takes the texts out of `frame`. Fails with invalid_argument when it holds no known message.
[[nodiscard]] Result<Message> take(pb::LinkFrame& frame);

}  // namespace tocsin::link
