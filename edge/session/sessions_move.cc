// Sessions on the move: what a drain asks of them (MovePort), the older socket while the newer one is used,
// and what became of a session that came from another edge.
#include <algorithm>
#include <utility>

#include "edge/codec/server_frame.h"
#include "edge/codec/sse_frame.h"
#include "edge/codec/ws_frame.h"
#include "edge/session/resume.h"
#include "edge/session/sessions.h"

namespace tocsin::edge {

std::vector<ClientRef> Sessions::all() const {
  std::vector<ClientRef> out;
  for (std::uint32_t slot = 0; slot < hub_.slots(); ++slot) {
    const Client* client = hub_.client(slot);
    if (client == nullptr) continue;
    const Session& session = sessions_[slot];
    if (session.phase != Phase::closing && !session.over) out.push_back({slot, client->serial});
  }
  return out;
}

MovePort::Kind Sessions::look(ClientRef ref) const {
  const Client* client = find(ref.slot, ref.serial);
  if (client == nullptr) return Kind::gone;
  const Session& session = sessions_[ref.slot];
  if (session.phase == Phase::closing || session.over) return Kind::gone;
  if (client->encoding.door == Door::sse) return Kind::events;
  if (session.phase != Phase::active) return Kind::early;
  return session.offered ? Kind::offered : Kind::session;
}

std::string Sessions::session_of(ClientRef ref) const {
  return find(ref.slot, ref.serial) == nullptr ? std::string() : sessions_[ref.slot].id.text();
}

void Sessions::confirm(ClientRef ref) {
  Client* client = find(ref.slot, ref.serial);
  if (client == nullptr || of(*client).phase != Phase::active) return;
  Session& session = of(*client);
  if (session.ping_open) return;  // its pong confirms what was sent before; another could not be told from it
  session.pinged = clock_.steady();
  ping(*client);
}

bool Sessions::confirmed(ClientRef ref) const {
  return find(ref.slot, ref.serial) == nullptr || !sessions_[ref.slot].ping_open;
}

link::SessionRecord Sessions::record_for_move(ClientRef ref) {
  Client* client = find(ref.slot, ref.serial);
  return client == nullptr ? link::SessionRecord{} : record(*client);
}

void Sessions::offer(ClientRef ref, const Offer& offer) {
  Client* client = find(ref.slot, ref.serial);
  if (client == nullptr) return;
  Session& session = of(*client);
  session.offered = true;
  const std::string signed_ticket = ticket(*client);
  reply(*client, frame::migrating(client->encoding.door, {offer.endpoint, offer.reconnect_after.count(),
                                                          signed_ticket, offer.deadline.count()}));
}

void Sessions::keep(ClientRef ref) {
  if (Client* client = find(ref.slot, ref.serial)) of(*client).offered = false;
}

void Sessions::send_away(ClientRef ref, Millis retry_after) {
  if (Client* client = find(ref.slot, ref.serial)) close(*client, CloseReason::restart, {}, retry_after);
}

void Sessions::replace(ClientRef ref) {
  if (Client* client = find(ref.slot, ref.serial)) close(*client, CloseReason::replaced, {});
}

void Sessions::fenced(const std::string& session_id, std::uint64_t fence) {
  const std::uint32_t slot = by_id_.find(session_id);
  Client* client = slot == SessionIndex::kNone ? nullptr : hub_.client(slot);
  if (client != nullptr && of(*client).fence >= fence) return;
  // Who was offered another edge keeps this socket until it says bye: nothing is missed while it switches.
  const bool stays = drain_.claimed(session_id);
  if (client == nullptr) return;
  of(*client).over = true;
  if (limits_ != nullptr) limits_->vacate(client->slot);  // counted where it lives now
  if (!stays) close(*client, CloseReason::replaced, {});
}

/// A session of another edge is here now; its subscriptions are on their way.
void Sessions::arrived(Client& client, const link::SessionState& state) {
  if (state.former.empty() || state.former == config_.id) return;
  arrivals_[client.slot] = {client.serial, state.former, state.record.subs.size()};
}

/// Tells the edge that had the session, once every subscription's outcome is known: the worst of them.
void Sessions::tell_arrival(const Client& client) {
  const auto it = arrivals_.find(client.slot);
  if (it == arrivals_.end() || it->second.serial != client.serial) return;
  std::size_t known = 0;
  Outcome worst = Outcome::resumed;
  for (const auto& sub : client.subs) {
    if (!sub->restored) continue;
    if (!sub->announced) return;
    ++known;
    worst = std::max(worst, sub->outcome);
  }
  if (known < it->second.subscriptions) worst = Outcome::lost;  // one could not be taken up
  const Session& session = of(client);
  broker_.session_moved(
      {session.id.text(), session.fence, it->second.former, {}, std::string(name_of(worst))});
  arrivals_.erase(it);
}

}  // namespace tocsin::edge
