#include "edge/session/gateway.h"

#include <algorithm>
#include <utility>

#include "edge/auth/gate.h"
#include "edge/codec/sse_frame.h"
#include "edge/drain/drain.h"
#include "edge/hub/hub.h"
#include "edge/metrics.h"
#include "edge/session/sessions.h"

namespace tocsin::edge {
namespace {
constexpr std::uint32_t kSseRetryMs = 1'000;
}

struct Gateway::State final : FeedSink {
  State(const Config& c, const Clock& clock, BrokerPort& broker, Outlet& o, Random random, Metrics& metrics)
      : config(c),
        outlet(o),
        hub(c, clock, broker, o, metrics),
        drain(c, clock, broker, metrics),
        sessions(c, clock, broker, o, hub, drain, std::move(random), metrics) {
    drain.attach(sessions);
  }

  void on_attached(const link::Head& head, std::string_view lost) override { hub.attached(head, lost); }
  void on_updates(const std::string& channel, const std::vector<Record>& records) override {
    hub.updates(channel, records);
  }
  void on_session_fenced(const std::string& session, std::uint64_t fence) override {
    sessions.fenced(session, fence);
  }

  link::StageAnswer on_stage(const link::StageSessions& staged) override;
  void on_revocations(const std::vector<link::Revocation>& revocations) override {
    if (gate != nullptr && gate->revoked(revocations)) sessions.drop_revoked();
  }
  void on_session_moved(const link::SessionMoved& moved) override { drain.moved(moved); }

  Client* find(ClientId id) { return hub.client(static_cast<std::uint32_t>(id)); }

  const Config& config;
  Outlet& outlet;
  Hub hub;
  Drain drain;
  Sessions sessions;
  Gate* gate = nullptr;  ///< null: no token is asked for
  std::size_t open = 0;
};

/// Channels of sessions that are about to come are wanted now: they are then resumed from this edge's caches.
link::StageAnswer Gateway::State::on_stage(const link::StageSessions& staged) {
  const auto refuse = [](std::string why) {
    return link::StageAnswer{0, {}, 0, link::fault_of({Errc::overloaded, std::move(why)})};
  };
  if (drain.state() > EdgeState::ready) return refuse("this edge is being drained itself");
  const auto most = static_cast<std::size_t>(config.clients_max);
  const std::size_t room = most - std::min(open, most);
  const std::size_t accepted = std::min(room, staged.records.size());
  for (std::size_t i = 0; i < accepted; ++i)
    for (const auto& sub : staged.records[i].subs) hub.expect(sub.channel);
  if (accepted == staged.records.size()) return {0, {}, static_cast<std::uint32_t>(accepted), {}};
  auto answer = refuse("limits.clients_max is reached");
  answer.accepted = static_cast<std::uint32_t>(accepted);
  return answer;
}

Gateway::Gateway(const Config& config, const Clock& clock, BrokerPort& broker, Outlet& outlet, Random random,
                 Metrics& metrics)
    : state_(std::make_unique<State>(config, clock, broker, outlet, std::move(random), metrics)) {}

Gateway::~Gateway() = default;

void Gateway::guard(Gate& gate) noexcept {
  state_->gate = gate.open() ? nullptr : &gate;
  state_->sessions.guard(gate);
}

Drain& Gateway::drain() noexcept { return state_->drain; }
FeedSink& Gateway::feed() noexcept { return *state_; }

Result<ClientId> Gateway::open(Socket socket, const Opening& opening) {
  if (state_->open >= static_cast<std::size_t>(state_->config.clients_max))
    return Error{Errc::overloaded, "limits.clients_max is reached"};
  Subscribe subscribe;
  if (opening.encoding.door == Door::sse) {
    auto parsed = parse_event_query(opening.query, opening.last_event_id);
    if (!parsed) return parsed.error();
    subscribe = *std::move(parsed);
  }
  Gate::Holder principal;
  const bool events = opening.encoding.door == Door::sse;
  if (state_->gate != nullptr && (events || !opening.token.empty())) {
    auto admitted = state_->gate->admit(opening.token);
    if (!admitted) return admitted.error();
    if (events && !(*admitted)->permissions.allow(auth::Action::subscribe, subscribe.channel))
      return state_->gate->forbidden(auth::Action::subscribe, subscribe.channel);
    principal = *std::move(admitted);
  }
  Client& client = state_->hub.add_client(socket, opening.encoding);
  client.max_batch = state_->outlet.max_batch(socket);
  ++state_->open;
  state_->sessions.opened(client);
  if (principal) state_->sessions.admit(client, std::move(principal));
  if (events) {
    std::string retry;
    sse::append_retry(retry, kSseRetryMs);
    state_->hub.send_bytes(client, retry);
    state_->sessions.opened_events(client, std::move(subscribe));
  }
  return ClientId{client.slot};
}

void Gateway::message(ClientId client, std::string_view bytes) {
  if (Client* found = state_->find(client)) state_->sessions.message(*found, bytes);
}

void Gateway::reject(ClientId client, CloseReason reason, std::string_view detail) {
  if (Client* found = state_->find(client)) state_->sessions.close(*found, reason, detail);
}

void Gateway::pong(ClientId client) {
  if (Client* found = state_->find(client)) state_->sessions.pong(*found);
}

void Gateway::writable(ClientId client) {
  if (Client* found = state_->find(client)) state_->hub.writable(*found);
}

void Gateway::closed(ClientId client) {
  Client* found = state_->find(client);
  if (found == nullptr) return;
  state_->sessions.closed(*found);
  state_->hub.remove_client(*found);
  --state_->open;
}

bool Gateway::turn() {
  const bool more = state_->hub.turn();
  state_->sessions.turn();
  return more;
}

std::optional<Instant> Gateway::next_due() const { return state_->hub.next_due(); }
bool Gateway::pending() const noexcept { return state_->hub.pending(); }

void Gateway::tick() {
  state_->hub.tick();
  state_->sessions.tick();
  state_->drain.tick();
}

void Gateway::close_all(CloseReason reason) {
  for (std::uint32_t slot = 0; slot < state_->hub.slots(); ++slot)
    if (Client* client = state_->hub.client(slot)) state_->sessions.close(*client, reason, {});
}

std::size_t Gateway::clients() const noexcept { return state_->open; }

}  // namespace tocsin::edge
