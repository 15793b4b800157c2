#include "edge/session/sessions.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

#include "common/log/audit.h"
#include "common/log/log.h"
#include "edge/codec/server_frame.h"
#include "edge/codec/sse_frame.h"
#include "edge/session/resume.h"

namespace tocsin::edge {
namespace {

constexpr std::uint32_t kMaxBadFrames = 10;
/// Publishes in one message to the broker: a turn with more sends several.
constexpr std::size_t kMaxBatch = 256;
constexpr std::size_t kMaxBatchBytes = std::size_t{512} << 10U;

}  // namespace

Sessions::Sessions(const Config& config, const Clock& clock, BrokerPort& broker, Outlet& outlet, Hub& hub,
                   Drain& drain, Random random, Metrics& metrics)
    : config_(config),
      clock_(clock),
      broker_(broker),
      outlet_(outlet),
      hub_(hub),
      drain_(drain),
      random_(std::move(random)),
      metrics_(metrics),
      self_(std::make_shared<Sessions*>(this)) {}

Sessions::~Sessions() = default;

SessionId Sessions::new_id() {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id;
  for (int word = 0; word < 2; ++word)
    for (auto [v, n] = std::pair{random_(), 0}; n < 16; ++n, v >>= 4U) id.push_back(kHex[v & 15U]);
  return SessionId(id);
}

void Sessions::opened(Client& client, std::string_view from) {
  if (sessions_.size() <= client.slot) sessions_.resize(client.slot + 1);
  Session session;
  session.id = new_id();
  session.fence = 1;
  session.from = from;
  session.opened = session.heard = session.pinged = clock_.steady();
  sessions_[client.slot] = std::move(session);
  by_id_.insert(client.slot);
  metrics_.clients.add(1);
  metrics_.opened.add();
  drain_.opened({client.slot, client.serial});
  if (log::enabled(log::Level::info, log::Category::connection))
    log::info({log::Category::connection, "connection_established"}, "a client connected",
              {{"session_id", sessions_[client.slot].id.view()},
               {"connection_id", client.serial},
               {"client_ip", from},
               {"door", name_of(client.encoding.door)}});
}

void Sessions::opened_events(Client& client, Subscribe request) {
  Session& session = of(client);
  by_id_.erase(client.slot);
  session.id = {};
  move(client, SessionEvent::command);
  if (auto s = subscribe(client, std::move(request)); !s) refuse(client, s.error(), {}, {});
}

Status Sessions::subscribe(Client& client, Subscribe request) {
  const std::string channel = request.channel;
  Status done = may(client, auth::Action::subscribe, channel);
  if (done) {
    request.filter.within = rows_of(client);
    done = hub_.subscribe(client, std::move(request));
  }
  audit(client, "subscribe", done, channel);
  if (log::enabled(log::Level::info, log::Category::message))
    log::info({log::Category::message, "subscribe"}, "a client subscribes",
              {{"session_id", of(client).id.view()},
               {"user_id", subject_of(client)},
               {"connection_id", client.serial},
               {"client_ip", of(client).from},
               {"error_code", done ? std::string_view{} : describe(done.error().code).name},
               {"channel", channel}});
  return done;
}

Client* Sessions::find(std::uint32_t slot, std::uint64_t serial) const {
  Client* client = hub_.client(slot);
  return client != nullptr && client->serial == serial ? client : nullptr;
}

bool Sessions::move(Client& client, SessionEvent event) {
  Session& session = of(client);
  const auto to = next(session.phase, event);
  if (to) session.phase = *to;
  return to.has_value();
}

void Sessions::reply(Client& client, std::string_view json) {
  if (of(client).phase == Phase::closing) return;
  if (!hub_.send(client, json)) close(client, CloseReason::slow_consumer, "its replies are not read");
}

void Sessions::refuse(Client& client, const Error& error, std::string_view id, std::string_view ref) {
  reply(client, frame::error(client.encoding.door, error, {id, ref}));
}

std::string Sessions::ticket(const Client& client) const {
  const Session& session = sessions_[client.slot];
  if (session.id.empty()) return {};
  return sign({session.id.text(), std::string(subject_of(client)), session.fence,
               clock_.wall_ms() + config_.ticket_ttl.count()},
              broker_.ticket_key());
}

/// If this edge dies, its clients come back evenly: each has a place of its own in the queue.
std::int64_t Sessions::delay_after_cut(const Client& client) const {
  if (config_.reconnects_per_s == 0) return 0;
  return static_cast<std::int64_t>(client.slot) * 1'000 / config_.reconnects_per_s;
}

void Sessions::welcome(Client& client, bool resumed) {
  const Session& session = of(client);
  const std::string signed_ticket = ticket(client);
  reply(client, frame::welcome(client.encoding.door,
                               {session.id.view(), signed_ticket, config_.id, config_.keepalive.count(),
                                clock_.wall_ms(), resumed, delay_after_cut(client)}));
}

void Sessions::message(Client& client, std::string_view bytes) {
  Session& session = of(client);
  if (session.phase == Phase::closing || client.encoding.door == Door::sse) return;
  session.heard = clock_.steady();
  metrics_.received.add();
  if (session.phase == Phase::claiming) {
    if (!session.resume->hold(bytes, static_cast<std::size_t>(config_.frame_max_bytes)))
      close(client, CloseReason::too_many, "too much was sent before the session was resumed");
    return;
  }
  auto command =
      parse_command(client.encoding.door, bytes, static_cast<std::size_t>(config_.frame_max_bytes));
  if (limits_ != nullptr && limits_->meters())
    if (const auto over = limits_->message(client.slot, bytes.size())) return forbid(client, command, *over);
  const auto* connect = std::get_if<Connect>(&command);
  const bool connects = connect != nullptr;
  if (session.phase == Phase::fresh &&
      !introduced(client, connects ? std::string_view(connect->token) : std::string_view{}))
    return;
  const bool resumes = connects && !(connect->ticket.empty() && connect->session.empty());
  if (session.phase == Phase::fresh && !resumes && !has_room(client)) return;
  if (session.phase == Phase::fresh && !connects) {
    move(client, SessionEvent::command);
    welcome(client, false);
  }
  if (!std::holds_alternative<Malformed>(command)) session.bad_frames = 0;
  const auto over_frames = session.over_frames;
  std::visit([&](auto& c) { on(client, c); }, command);
  if (of(client).over_frames == over_frames) of(client).over_frames = 0;
}

void Sessions::on(Client& client, Subscribe& command) {
  const std::string id = command.id;
  if (auto s = subscribe(client, std::move(command)); !s) {
    if (limits_ != nullptr && s.error().code == Errc::too_many)
      limits_->reached(client.slot, Limit::subscriptions, s.error().detail);
    refuse(client, s.error(), id, {});
  }
}

void Sessions::on(Client& client, Unsubscribe& command) {
  if (auto s = hub_.unsubscribe(client, command.id); !s) refuse(client, s.error(), command.id, {});
}

void Sessions::on(Client& client, PublishOne& command) {
  Session& session = of(client);
  if (auto s = may(client, auth::Action::publish, command.draft.channel); !s) {
    audit(client, "publish", s, command.draft.channel);
    return refuse(client, s.error(), {}, command.ref);
  }
  if (session.publishing >= static_cast<std::uint64_t>(config_.client_publish_inflight))
    return refuse(client,
                  {Errc::too_many, "at most " + std::to_string(config_.client_publish_inflight) +
                                       " publishes without an answer"},
                  {}, command.ref);
  if (limits_ != nullptr)
    if (const auto over = limits_->publish(client.slot)) {
      refuse(client, {Errc::too_many, over->text}, {}, command.ref);
      return count_over(client);
    }
  ++session.publishing;
  metrics_.publishes.add();
  askers_.push_back({client.slot, client.serial, std::move(command.ref), command.draft.channel});
  command.draft.within = to_json(rows_of(client));
  draft_bytes_ += command.draft.incident.size() + command.draft.event_data.size();
  drafts_.push_back(std::move(command.draft));
  if (drafts_.size() >= kMaxBatch || draft_bytes_ >= kMaxBatchBytes) flush_publishes();
}

/// What clients published in one turn travels together: one message to the broker and one answer, however
/// many they are.
void Sessions::flush_publishes() {
  if (drafts_.empty()) return;
  draft_bytes_ = 0;
  broker_.publish(std::exchange(drafts_, {}), [self = std::weak_ptr<Sessions*>(self_),
                                               askers = std::exchange(askers_, {})](
                                                  Result<std::vector<link::PublishOutcome>> answer) {
    const auto alive = self.lock();
    if (!alive) return;
    const bool fits = !answer || answer->size() == askers.size();
    for (std::size_t i = 0; i < askers.size(); ++i) {
      Client* found = (*alive)->find(askers[i].slot, askers[i].serial);
      if (found == nullptr) continue;
      const auto one =
          !answer ? Result<link::PublishOutcome>(answer.error())
          : fits  ? Result<link::PublishOutcome>(std::move((*answer)[i]))
                  : Result<link::PublishOutcome>(Error{Errc::internal, "the broker's answer does not fit"});
      (*alive)->published(*found, askers[i].ref, askers[i].channel, one);
    }
  });
}

void Sessions::published(Client& client, const std::string& ref, const std::string& channel,
                         const Result<link::PublishOutcome>& answer) {
  --of(client).publishing;
  if (!answer) return refuse(client, answer.error(), {}, ref);
  if (!answer->fault.ok()) return refuse(client, link::error_of(answer->fault), {}, ref);
  reply(client, frame::published(client.encoding.door, ref, channel, *answer));
}

void Sessions::on(Client& client, Ping& command) {
  reply(client, frame::pong(client.encoding.door, command.ref));
}

void Sessions::on(Client& client, Bye& command) {
  Session& session = of(client);
  if (session.offered || session.over) drain_.bye(session.id.text(), command.duplicates);
  // One that was taken over elsewhere is no longer ours to end.
  if (!std::exchange(session.over, true) && session.stored)
    broker_.drop_session(session.id.text(), session.fence);
  close(client, CloseReason::normal, {});
}

void Sessions::on(Client& client, Malformed& command) {
  metrics_.bad_frames.add();
  refuse(client, command.error, command.id, command.ref);
  if (++of(client).bad_frames >= kMaxBadFrames)
    close(client, CloseReason::bad_request, "too many frames in a row could not be understood");
}

void Sessions::close(Client& client, CloseReason reason, std::string_view detail,
                     std::optional<Millis> retry_after) {
  if (!move(client, SessionEvent::close)) return;
  Session& session = of(client);
  const bool comes_back = !session.over && describe(reason).retry_after_ms >= 0;
  // Who was not welcomed yet keeps the ticket it came with.
  const std::string signed_ticket = !comes_back      ? std::string()
                                    : session.resume ? session.resume->ticket
                                                     : ticket(client);
  metrics_.closed[reason].add();
  if (limits_ != nullptr) {
    limits_->vacate(client.slot);  // it may come back before this socket is gone
    if (reason == CloseReason::too_big || reason == CloseReason::bad_request ||
        reason == CloseReason::too_many)
      limits_->offend(limits_->address_of(client.slot), describe(reason).text);
  }
  note_close(client, reason, detail);
  const std::int64_t retry = retry_after ? retry_after->count() : describe(reason).retry_after_ms;
  if (client.encoding.door == Door::sse && retry_after) {
    std::string line;
    sse::append_retry(line, static_cast<std::uint32_t>(retry));
    hub_.send_bytes(client, line);
  }
  hub_.send_last(client, frame::closing(client.encoding.door, reason, detail, signed_ticket, retry));
  outlet_.close(client.socket, reason, detail);
}

/// Ends that the client or its operator should look into are told; the rest is only counted.
void Sessions::note_close(const Client& client, CloseReason reason, std::string_view detail) const {
  const auto& from = sessions_[client.slot].from;
  const std::string_view name = describe(reason).name;
  if (reason == CloseReason::slow_consumer)
    return log::info({log::Category::performance, "slow_consumer_closed"}, "a client reads too slowly",
                     {{"client_ip", std::string_view(from)}, {"error_details", detail}});
  if (reason == CloseReason::unauthenticated || reason == CloseReason::forbidden ||
      reason == CloseReason::policy || reason == CloseReason::too_many || reason == CloseReason::too_big ||
      reason == CloseReason::bad_request)
    log::audit({.action = "refuse",
                .outcome = name,
                .who = subject_of(client),
                .from = from,
                .what = "connection",
                .why = detail});
}

void Sessions::closed(Client& client) {
  Session& session = of(client);
  if (session.stored && !session.over) broker_.put_session(record_of(client, session), false);
  drain_.gone({client.slot, client.serial}, session.id.text());
  const Millis lasted = clock_.steady() - session.opened;
  lifetimes_.add(lasted.count());
  metrics_.connection_seconds.observe(static_cast<double>(lasted.count()) / 1e3);
  if (session.phase != Phase::closing) metrics_.left.add();
  if (log::enabled(log::Level::info, log::Category::connection))
    log::info({log::Category::connection, "connection_closed"}, "a client went",
              {{"session_id", session.id.view()},
               {"user_id", subject_of(client)},
               {"connection_id", client.serial},
               {"client_ip", std::string_view(session.from)},
               {"duration_ms", lasted.count()},
               {"by", session.phase == Phase::closing ? "edge" : "client"}});
  arrivals_.erase(client.slot);
  by_id_.erase(client.slot);
  forget_access(client);
  session = Session{};
  session.phase = Phase::closing;
  metrics_.clients.add(-1);
}

}  // namespace tocsin::edge
