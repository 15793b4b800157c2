#include "broker/link/handover.h"

#include <utility>

namespace tocsin::broker {
namespace {
constexpr std::size_t kMaxRecords = 1'024;  ///< in one message
}  // namespace

Status Handover::may_stage(const Peer& from, const link::StageSessions& message) const {
  if (message.target == from.hello.id)
    return Error{Errc::invalid_argument, "the target is the edge that asks"};
  if (message.records.empty() || message.records.size() > kMaxRecords)
    return Error{Errc::invalid_argument,
                 "1 to " + std::to_string(kMaxRecords) + " records may be staged at once"};
  return Done{};
}

void Handover::stage(const Peer& from, link::StageSessions message) {
  if (!from.is_edge()) return metrics_.bad_messages.add();
  const auto refuse = [&](const Error& error) {
    peers_.send(from.name, link::StageAnswer{message.ref, from.hello.id, 0, link::fault_of(error)});
  };
  if (auto ok = may_stage(from, message); !ok) return refuse(ok.error());
  sessions_.put(from, message.records);
  if (message.records.empty())
    return refuse({Errc::invalid_argument, "no record is one of this edge's sessions, within its bounds"});
  const Peer* target = peers_.find_edge(message.target);
  if (target == nullptr || peers_.silent(*target))
    return refuse({Errc::unavailable, "the edge \"" + message.target + "\" is not there"});
  message.from = from.hello.id;
  if (!peers_.send(target->name, message))
    return refuse({Errc::overloaded, "the queue to the edge \"" + message.target + "\" is full"});
}

void Handover::staged(const Peer& target, const link::StageAnswer& answer) {
  if (!target.is_edge()) return metrics_.bad_messages.add();
  if (const Peer* source = peers_.find_edge(answer.to)) peers_.send(source->name, answer);
}

void Handover::moved(const Peer& by, link::SessionMoved message) {
  if (!by.is_edge()) return metrics_.bad_messages.add();
  message.by = by.hello.id;
  if (const Peer* former = peers_.find_edge(message.to)) peers_.send(former->name, message);
}

}  // namespace tocsin::broker
