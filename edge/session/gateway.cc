#include "edge/session/gateway.h"

#include <algorithm>
#include <utility>

#include "common/log/audit.h"
#include "edge/auth/gate.h"
#include "edge/codec/sse_frame.h"
#include "edge/drain/drain.h"
#include "edge/hub/hub.h"
#include "edge/limits/limits.h"
#include "edge/metrics.h"
#include "edge/session/sessions.h"

namespace tocsin::edge {
namespace {
constexpr std::uint32_t kSseRetryMs = 1'000;
/// An edge that is gone may have had clients that are still on their way.
constexpr Millis kMovesLinger{30'000};

Error error_of(const Over& over) {
  return {over.limit == Limit::cluster_connections ? Errc::overloaded : Errc::too_many, over.text};
}
}  // namespace

struct Gateway::State final : FeedSink {
  State(const Config& c, const Clock& k, BrokerPort& b, Outlet& o, Random random, Metrics& metrics)
      : config(c),
        clock(k),
        broker(b),
        outlet(o),
        hub(c, k, b, o, metrics),
        drain(c, k, b, metrics),
        sessions(c, k, b, o, hub, drain, std::move(random), metrics) {
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

  void on_welcomed() override { report_whole = true; }
  void on_counts(const link::CountsTold& told) override {
    if (limits != nullptr) limits->told(told);
  }
  void report_counts();
  void look_for_moves();

  Client* find(ClientId id) { return hub.client(static_cast<std::uint32_t>(id)); }

  const Config& config;
  const Clock& clock;
  BrokerPort& broker;
  Outlet& outlet;
  Hub hub;
  Drain drain;
  Sessions sessions;
  Gate* gate = nullptr;      ///< null: no token is asked for
  Limits* limits = nullptr;  ///< null: there are none
  bool report_whole = true;  ///< the broker knows nothing of our counts
  Instant moving_until{};
  std::size_t open = 0;
};

void Gateway::State::report_counts() {
  auto report = limits->report(report_whole);
  if (!report) return;
  if (broker.report_counts(*report))
    report_whole = false;
  else
    limits->unsaid(*report);
}

/// Clients come from edges that are leaving, or have left a moment ago: see Limits::moving_while.
void Gateway::State::look_for_moves() {
  for (const auto& edge : broker.edges())
    if (edge.id != config.id && edge.state != "ready" && edge.state != "starting")
      moving_until = clock.steady() + kMovesLinger;
}

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

void Gateway::rules_changed() {
  if (state_->gate != nullptr) state_->sessions.regard_again();
}

void Gateway::limit(Limits& limits) {
  state_->limits = &limits;
  state_->sessions.limit(limits);
  limits.moving_while([s = state_.get()] { return s->clock.steady() < s->moving_until; });
}

Drain& Gateway::drain() noexcept { return state_->drain; }
void Gateway::trace(trace::Tracer& tracer) noexcept { state_->hub.trace(tracer); }
FeedSink& Gateway::feed() noexcept { return *state_; }

std::vector<ChannelTally> Gateway::channels() const {
  std::vector<ChannelTally> out;
  state_->hub.each_feed([&out](const Feed& f) {
    out.push_back({f.name, f.serial, f.updates, f.subscriptions});
  });
  return out;
}

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
  std::optional<Error> refusal;
  const bool events = opening.encoding.door == Door::sse;
  if (state_->gate != nullptr && (events || !opening.token.empty())) {
    auto admitted = state_->gate->admit(opening.token);
    if (!admitted && state_->limits != nullptr && admitted.error().code == Errc::unauthorized)
      state_->limits->offend(opening.from, "no good token");
    const auto refused = [&](Error error) {
      log::audit({.action = "subscribe",
                  .outcome = describe(error.code).name,
                  .who = admitted ? std::string_view((*admitted)->subject) : std::string_view(),
                  .from = opening.from.text(),
                  .what = subscribe.channel,
                  .why = error.detail});
      return error;
    };
    if (!admitted && events) return refused(admitted.error());
    if (!admitted) refusal = admitted.error();
    if (events && !(*admitted)->permissions.allow(auth::Action::subscribe, subscribe.channel))
      return refused(state_->gate->forbidden(auth::Action::subscribe, subscribe.channel));
    if (admitted) principal = *std::move(admitted);
  }
  if (events && state_->limits != nullptr)
    if (auto over = state_->limits->room(opening.from, principal ? principal->subject : std::string()))
      return error_of(*over);
  Client& client = state_->hub.add_client(socket, opening.encoding);
  if (state_->limits != nullptr) state_->limits->seat(client.slot, opening.from);
  client.max_batch = state_->outlet.max_batch(socket);
  ++state_->open;
  state_->sessions.opened(client, opening.from.text());
  if (principal) state_->sessions.admit(client, std::move(principal));
  if (refusal) state_->sessions.turn_away(client, *std::move(refusal));
  if (events) {
    std::string retry;
    sse::append_retry(retry, kSseRetryMs);
    state_->hub.send_bytes(client, retry);
    state_->sessions.opened_events(client, std::move(subscribe));
  }
  if (events && state_->limits != nullptr) state_->limits->enter(client.slot);
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
  if (state_->limits != nullptr) state_->limits->unseat(found->slot);
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
  if (state_->limits == nullptr) return;
  state_->limits->tick();
  state_->look_for_moves();
  state_->report_counts();
}

void Gateway::close_all(CloseReason reason) {
  for (std::uint32_t slot = 0; slot < state_->hub.slots(); ++slot)
    if (Client* client = state_->hub.client(slot)) state_->sessions.close(*client, reason, {});
}

std::size_t Gateway::clients() const noexcept { return state_->open; }
const Lifetimes& Gateway::lifetimes() const noexcept { return state_->sessions.lifetimes(); }

}  // namespace tocsin::edge
