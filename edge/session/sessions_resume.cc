// Resume: a session is claimed from the broker, fenced elsewhere, and its subscriptions come back; records
// and keepalive that make this possible.
#include <algorithm>
#include <utility>

#include "common/crypto/crypto.h"
#include "edge/codec/server_frame.h"
#include "edge/codec/sse_frame.h"
#include "edge/codec/ws_frame.h"
#include "edge/session/resume.h"

namespace tocsin::edge {
namespace {

constexpr unsigned kWheelSlots = 10;
constexpr Millis kRecordEvery{1'000};
constexpr std::size_t kSmallRecord = 16;

/// Tells one view from another in a record, whatever its size; empty: all rows. The name of records, not a
/// secret.
std::string name_of_rows(const Constraints& rows) {
  return rows.empty() ? std::string()
                      : crypto::base64url_encode(crypto::hmac_sha256("rows", to_json(rows)).substr(0, 12));
}

}  // namespace

void Sessions::on(Client& client, Connect& command) {
  Session& session = of(client);
  if (command.ticket.empty() && command.session.empty()) {
    if (!move(client, SessionEvent::connect))
      return refuse(client, {Errc::invalid_argument, "connect is the first frame, and said once"}, {}, {});
    return welcome(client, false);
  }
  if (!move(client, SessionEvent::connect_resuming))
    return refuse(client, {Errc::invalid_argument, "connect is the first frame, and said once"}, {}, {});
  session.resume = std::make_unique<Session::Resume>();
  session.resume->session = std::move(command.session);
  session.resume->ticket = std::move(command.ticket);
  session.resume->since = std::move(command.since);
  try_claim(client);
}

/// Asks the broker for the session, once the key that signs tickets is known.
void Sessions::try_claim(Client& client) {
  Session& session = of(client);
  auto& resume = *session.resume;
  if (resume.asked) return;
  if (resume.ticket.empty())
    return refuse_ticket(client, TicketFault::foreign, "a session is taken over with its \"ticket\"");
  if (broker_.ticket_key().empty()) return;  // the broker was not reached yet: the wheel asks again
  const auto verified =
      verify(resume.ticket, broker_.ticket_keys(), {resume.session, subject_of(client)}, clock_.wall_ms());
  if (const auto* fault = std::get_if<TicketFault>(&verified)) return refuse_ticket(client, *fault);
  const auto& ticket = std::get<Ticket>(verified);
  resume.session = ticket.session;
  resume.fence = ticket.fence;
  begin_claim(client);
}

void Sessions::refuse_ticket(Client& client, TicketFault fault, std::string_view text) {
  metrics_.tickets_refused[fault].add();
  if (limits_ != nullptr && fault == TicketFault::forged)
    limits_->offend(limits_->address_of(client.slot), "a forged ticket");
  const auto resume = std::exchange(of(client).resume, nullptr);
  move(client, SessionEvent::claimed);
  if (!has_room(client)) return;
  welcome(client, false);
  reply(client, frame::error(client.encoding.door,
                             {Errc::unauthorized, std::string(text.empty() ? text_of(fault) : text)},
                             {{}, {}, name_of(fault)}));
  replay_held(client, *resume);
}

void Sessions::begin_claim(Client& client) {
  Session& session = of(client);
  session.resume->asked = true;
  broker_.claim_session(session.resume->session, session.resume->fence, std::string(subject_of(client)),
                        [self = std::weak_ptr<Sessions*>(self_), slot = client.slot,
                         serial = client.serial](Result<link::SessionState> answer) {
                          const auto alive = self.lock();
                          if (!alive) return;
                          if (Client* found = (*alive)->find(slot, serial))
                            (*alive)->claimed(*found, std::move(answer));
                        });
}

void Sessions::claimed(Client& client, Result<link::SessionState> answer) {
  Session& session = of(client);
  if (session.phase != Phase::claiming) return;
  if (!answer && answer.error().code == Errc::unauthorized) return refuse_ticket(client, TicketFault::reused);
  if (!answer && answer.error().code == Errc::forbidden) return refuse_ticket(client, TicketFault::foreign);
  if (!answer)
    return close(client, CloseReason::try_later,
                 "the session could not be fetched: " + answer.error().detail);
  const auto resume = std::exchange(session.resume, nullptr);
  move(client, SessionEvent::claimed);
  drain_.returned(answer->record.id);
  fenced(answer->record.id, answer->record.fence);  // an older socket of it on this edge
  by_id_.erase(client.slot);
  session.id = SessionId(answer->record.id);
  session.fence = answer->record.fence;
  session.stored = answer->found;
  by_id_.insert(client.slot);
  if (limits_ != nullptr && answer->found) limits_->enter(client.slot);
  if (!has_room(client)) return;
  welcome(client, answer->found);
  if (answer->found) {
    metrics_.sessions_resumed.add();
    arrived(client, *answer);
    restore(client, answer->record, resume->since);
    tell_arrival(client);
  }
  replay_held(client, *resume);
}

/// What came while the session was being claimed.
void Sessions::replay_held(Client& client, const Session::Resume& resume) {
  for (const auto& held : resume.held) {
    if (of(client).phase == Phase::closing) return;
    message(client, held);
  }
}

void Sessions::restore(Client& client, const link::SessionRecord& record,
                       const std::vector<std::pair<std::string, Since>>& since) {
  // Other rows than then: what the client has is of another view, whatever its position.
  const bool revised = record.rows != name_of_rows(rows_of(client));
  for (const auto& kept : record.subs) {
    Subscribe back;
    back.id = kept.id;
    back.channel = kept.channel;
    back.restored = true;
    auto filter = Filter::parse(kept.filter);
    if (!filter) {  // never without: the client would be given what it did not ask for
      refuse(client,
             {Errc::position_lost, "the filter kept for this subscription cannot be read, subscribe again: " +
                                       filter.error().detail},
             kept.id, {});
      continue;
    }
    back.revised = revised;
    back.filter = *std::move(filter);
    back.conflate = kept.conflate         ? Conflate::when_behind
                    : kept.never_conflate ? Conflate::never
                                          : Conflate::when_stalled;
    back.max_rate = kept.max_rate;
    const auto stated =
        std::find_if(since.begin(), since.end(), [&](const auto& s) { return s.first == kept.id; });
    if (stated != since.end())
      back.since = stated->second;
    else if (kept.position.epoch != Epoch{})
      back.since = Since{false, kept.position};
    else
      back.snapshot = true;  // it never surely had its snapshot
    if (auto s = subscribe(client, std::move(back)); !s) refuse(client, s.error(), kept.id, {});
  }
}

link::SessionRecord Sessions::record_of(const Client& client, const Session& session) const {
  link::SessionRecord record;
  record.id = session.id.text();
  record.subject = subject_of(client);
  record.fence = session.fence;
  record.edge = config_.id;
  record.rows = name_of_rows(rows_of(client));
  record.subs = Hub::describe(client);
  return record;
}

bool Sessions::keeps_record(const Client& client) {
  const Session& session = of(client);
  return !session.id.empty() && !session.over && session.phase == Phase::active &&
         (!client.subs.empty() || session.stored);
}

link::SessionRecord Sessions::record(Client& client) {
  Session& session = of(client);
  session.record_due = false;
  session.stored = true;
  session.recorded = clock_.steady();
  return record_of(client, session);
}

void Sessions::turn() {
  close_turned_away();
  flush_publishes();
  std::vector<link::SessionRecord> records;  // of a storm's clients: many
  for (Client* client : hub_.take_changed()) {
    Session& session = of(*client);
    session.record_due = false;
    tell_arrival(*client);
    if (!keeps_record(*client)) continue;
    // A client with many subscriptions that change one by one is not worth a long record each time.
    if (client->subs.size() < kSmallRecord || clock_.steady() - session.recorded >= kRecordEvery)
      records.push_back(record(*client));
    else
      session.record_due = true;
  }
  if (!records.empty()) broker_.put_sessions(std::move(records));
}

void Sessions::pong(Client& client) {
  Session& session = of(client);
  if (session.phase == Phase::closing) return;
  session.heard = clock_.steady();
  if (std::exchange(session.ping_open, false) && Hub::confirm(client)) session.record_due = true;
}

void Sessions::tick() {
  expire();
  const auto now = clock_.steady();
  wheel_ = (wheel_ + 1) % kWheelSlots;
  for (std::uint32_t slot = wheel_; slot < hub_.slots(); slot += kWheelSlots)
    if (Client* client = hub_.client(slot)) look_after(*client, now);
}

void Sessions::look_after(Client& client, Instant now) {
  Session& session = of(client);
  if (session.phase == Phase::closing) return;
  if (limits_ != nullptr && limits_->watches_bytes())
    if (const auto over = limits_->flooded(client.slot, outlet_.received(client.socket)))
      return close(client, CloseReason::too_many, over->text);
  if (session.phase == Phase::fresh && now - session.opened >= config_.connect_timeout)
    return gate_ != nullptr && subject_of(client).empty()
               ? close(client, CloseReason::unauthenticated, "a token is required")
               : close(client, CloseReason::connect_timeout, {});
  if (session.phase == Phase::claiming) {
    if (now - session.opened >= config_.broker_wait + config_.connect_timeout)
      return close(client, CloseReason::try_later, "the broker cannot be reached");
    try_claim(client);
    return;
  }
  if (hub_.stuck(client)) return close(client, CloseReason::slow_consumer, {});
  if (client.encoding.door == Door::sse && client.subs.empty())
    return close(client, CloseReason::try_later, {});
  if (std::exchange(session.record_due, false) && keeps_record(client))
    broker_.put_session(record(client), true);
  keep_alive(client, now);
}

void Sessions::keep_alive(Client& client, Instant now) {
  Session& session = of(client);
  if (client.encoding.door != Door::sse && now - session.heard >= 2 * config_.keepalive)
    return close(client, CloseReason::keepalive_timeout, {});
  if (now - session.pinged < config_.keepalive) return;
  session.pinged = now;
  if (client.encoding.door == Door::sse) {
    hub_.send_bytes(client, sse::kComment);
    return;
  }
  ping(client);
}

void Sessions::ping(Client& client) {
  // What was sent before this ping is surely there when its pong comes.
  Session& session = of(client);
  if (!session.ping_open) Hub::mark_sent(client);
  session.ping_open = true;
  hub_.send_bytes(client, ws::kPing);
}

}  // namespace tocsin::edge
