#include "broker/core.h"

#include <utility>
#include <variant>

#include "broker/fanout/answers.h"
#include "broker/fanout/peers.h"
#include "broker/link/census.h"
#include "broker/link/handover.h"
#include "broker/link/queries.h"
#include "broker/link/revocations.h"
#include "broker/link/sessions.h"
#include "broker/link/snapshots.h"
#include "broker/link/ticket_keys.h"
#include "broker/seq/sequencer.h"
#include "common/log/log.h"

namespace tocsin::broker {
namespace {

/// Edges are told of changed keys again for this long: a message may be lost.
constexpr Millis kSayKeys{10'000};

}  // namespace

struct Core::Parts {
  Parts(const Config& c, std::string cluster_id, LogStore& s, const Clock& k, Random r, PeerPort& out,
        Metrics& m)
      : config(c),
        cluster(std::move(cluster_id)),
        store(s),
        clock(k),
        random(std::move(r)),
        metrics(m),
        peers(c, k, out, m),
        answers(peers),
        sequencer(c, s, k, random, m,
                  {[this](const CommittedRun& run) { peers.fan_out(run.channel, run.epoch, run.records); },
                   [this](PublishAnswer answer) {
                     answers.give(std::move(answer.peer), {answer.ref, std::move(answer.outcomes)});
                   }}),
        queries(c, s, sequencer.channels(), m),
        snapshots(c, s, sequencer.channels(), k, m, random() >> 1),
        sessions(c, s, sequencer, peers, k, m),
        handover(sessions, peers, m),
        census(peers, m),
        ticket_keys(c, s, sequencer, k, random),
        revocations(c, s, sequencer, peers, k, m, random) {}

  const Config& config;
  const std::string cluster;
  LogStore& store;
  const Clock& clock;
  Random random;
  Metrics& metrics;
  Peers peers;
  Answers answers;
  Sequencer sequencer;
  Queries queries;
  Snapshots snapshots;
  Sessions sessions;
  Handover handover;
  Census census;
  TicketKeys ticket_keys;
  Revocations revocations;
  std::uint64_t instance = 0;
  std::vector<std::string> told_keys;  ///< what edges know, that were not welcomed later
  Instant keys_told{};
  std::uint64_t canary = 0;
  Instant next_heartbeat{};

  Status open();
  [[nodiscard]] Status may_be(std::string_view name, std::string_view holder, const link::Hello& hello);
  void hello(std::string_view name, std::string_view holder, const link::Hello& hello);
  void refuse(std::string_view name, const Error& error) {
    (void)peers.send(name, link::Refused{link::fault_of(error)});
  }
  void heartbeat();
  void tell_keys(bool again);

  // One function a message that a peer may send; anything else is answered by refuse().
  void on(Peer& peer, const link::Hello& m) { hello(std::string(peer.name), std::string(peer.holder), m); }
  void on(Peer& peer, const link::EdgeHeartbeat& m) { peers.received(peer, m), answers.release(); }
  void on(Peer& peer, const link::Interest& m);
  void on(Peer& peer, link::Publish& m) {
    sequencer.publish(peer.name, std::move(m), peer.is_edge() ? Origin::edge : Origin::publisher);
  }
  void on(Peer& peer, const link::Read& m) { reply(peer, queries.read(m)); }
  void on(Peer& peer, const link::SnapshotNext& m);
  void on(Peer& peer, const link::ListIncidents& m) { reply(peer, queries.list(m)); }
  void on(Peer& peer, const link::GetIncident& m) { reply(peer, queries.get(m)); }
  void on(Peer& peer, const link::GetChannel& m) { peers.send(peer.name, queries.channel(m)); }
  void on(Peer& peer, const link::SessionPut& m) { sessions.put(peer, {&m, 1}); }
  void on(Peer& peer, const link::SessionPuts& m) { sessions.put(peer, m.puts); }
  void on(Peer& peer, const link::SessionClaim& m) { sessions.claim(peer, m); }
  void on(Peer&, const link::SessionDrop& m) { sessions.drop(m); }
  void on(Peer& peer, link::StageSessions& m) { handover.stage(peer, std::move(m)); }
  void on(Peer& peer, const link::StageAnswer& m) { handover.staged(peer, m); }
  void on(Peer& peer, const link::Revoke& m) { revocations.revoke(peer, m); }
  void on(Peer& peer, const link::RevocationsAsk& m) { revocations.asked(peer, m); }
  void on(Peer& peer, const link::CountsReport& m) { census.report(peer, m); }
  void on(Peer& peer, link::SessionMoved& m) { handover.moved(peer, std::move(m)); }
  template <typename T>
  void on(Peer&, const T&) {
    metrics.bad_messages.add();  // only the broker says these
  }

  /// An answer that met damaged data turns readiness off.
  template <typename T>
  void reply(const Peer& peer, const T& answer) {
    if (answer.fault.code == "corrupt") sequencer.found_corrupt(link::error_of(answer.fault));
    peers.send(peer.name, answer);
  }
};

Status Core::Parts::open() {
  instance = random();
  if (auto ok = sequencer.open(); !ok) return ok;
  if (auto ok = ticket_keys.open(); !ok) return ok;
  if (auto ok = revocations.open(); !ok) return ok;
  told_keys = ticket_keys.current();
  metrics.ticket_keys.set(static_cast<std::int64_t>(told_keys.size()));
  return Done{};
}

/// A peer chooses its names, but not its key: an edge is who its key says, and nobody takes over the place of
/// another key's holder.
Status Core::Parts::may_be(std::string_view name, std::string_view holder, const link::Hello& hello) {
  if (holder.empty()) return Done{};
  if (hello.role == "edge" && hello.id != holder)
    return Error{Errc::forbidden, "this key is for \"" + std::string(holder) + "\", not for an edge \"" +
                                      hello.id +
                                      "\": its file in the allow-list folder must be called as the edge is"};
  const Peer* known = peers.find(name);
  if (known != nullptr && known->holder != holder)
    return Error{Errc::forbidden, "the name \"" + std::string(name) + "\" is another key's"};
  return Done{};
}

void Core::Parts::hello(std::string_view name, std::string_view holder, const link::Hello& hello) {
  if (auto ok = may_be(name, holder, hello); !ok) {
    log::warn("a peer is not who its key says",
              {{"peer", hello.id}, {"role", hello.role}, {"key_of", holder}});
    return refuse(name, ok.error());
  }
  snapshots.peer_gone(name);
  census.forget(name);
  if (hello.role == "edge")  // its earlier life, under another name
    if (const Peer* old = peers.find_edge(hello.id); old != nullptr && old->name != name) {
      snapshots.peer_gone(old->name);
      census.forget(old->name);
      peers.forget(std::string(old->name));
    }
  if (hello.version != link::kVersion)
    return refuse(
        name, {Errc::newer_schema, "the link speaks version " + std::to_string(link::kVersion) + ", you " +
                                       std::to_string(hello.version) + "; upgrade the older side"});
  Peer* peer = peers.hello(name, hello);
  if (peer == nullptr) return refuse(name, {Errc::too_many, "link.peers_max peers are connected"});
  peer->holder = holder;
  log::info("a peer is connected", {{"peer", hello.id}, {"role", hello.role}, {"revision", hello.revision}});
  link::Welcome welcome;
  welcome.cluster = cluster;
  welcome.instance = instance;
  if (peer->is_edge()) {
    welcome.ticket_keys = ticket_keys.current();
    welcome.ticket_key = welcome.ticket_keys.front();
  }
  welcome.heartbeat_ms = static_cast<std::uint32_t>(config.heartbeat.count());
  welcome.publish_window = static_cast<std::uint32_t>(config.publish_window);
  peers.send(name, welcome);
  if (!peer->is_edge()) return;
  revocations.tell(*peer);  // before anything that a revoked token would be shown
  // A canary at once: an edge that starts is ready without waiting for the next round.
  const std::string reason = sequencer.not_ready_reason();
  if (reason.empty()) ++canary;
  peers.send(name, link::BrokerHeartbeat{0, {}, canary, reason, peers.registry()});
}

void Core::Parts::on(Peer& peer, const link::Interest& m) {
  peers.interest(peer, m.channel, m.want);
  if (!m.want) return;
  if (const Channel* channel = sequencer.channels().find(m.channel)) {
    peers.send(peer.name, link::InterestAck{channel->head()});
    return;
  }
  const auto made = sequencer.open_channel(m.channel);
  if (!made) {
    peers.interest(peer, m.channel, false);
    metrics.bad_messages.add();
    return;
  }
  sequencer.after_commit([this, name = peer.name, channel_name = m.channel](const Status& status) {
    const Channel* channel = status ? sequencer.channels().find(channel_name) : nullptr;
    if (channel != nullptr) peers.send(name, link::InterestAck{channel->head()});
  });
  sequencer.flush();
}

void Core::Parts::on(Peer& peer, const link::SnapshotNext& m) {
  if (m.cancel) return snapshots.cancel(peer.name, m.cursor);
  reply(peer, snapshots.next(peer.name, m));
}

void Core::Parts::heartbeat() {
  const std::string reason = sequencer.not_ready_reason();
  if (reason.empty()) ++canary;
  link::Head head;
  peers.heartbeat(canary, reason, [this, &head](const std::string& name) -> const link::Head* {
    const Channel* channel = sequencer.channels().find(name);
    if (channel == nullptr) return nullptr;
    head = channel->head();
    return &head;
  });
}

/// Changes at once; `again` with a heartbeat.
void Core::Parts::tell_keys(bool again) {
  auto keys = ticket_keys.current();
  if (keys != told_keys) {
    told_keys = std::move(keys);
    metrics.ticket_keys.set(static_cast<std::int64_t>(told_keys.size()));
    keys_told = clock.steady();
  } else if (!again || keys_told == Instant{} || clock.steady() - keys_told >= kSayKeys) {
    return;
  }
  for (const Peer* edge : peers.edges()) peers.send(edge->name, link::TicketKeys{told_keys});
}

Core::Core(const Config& config, std::string cluster_id, LogStore& store, const Clock& clock, Random random,
           PeerPort& out, Metrics& metrics)
    : parts_(std::make_unique<Parts>(config, std::move(cluster_id), store, clock, std::move(random), out,
                                     metrics)) {}
Core::~Core() = default;

Status Core::open() { return parts_->open(); }

void Core::on_bytes(std::string_view name, std::string_view bytes, std::string_view holder) {
  auto message = link::decode(bytes);
  if (!message) {
    parts_->metrics.bad_messages.add();
    return;
  }
  Peer* peer = parts_->peers.find(name);
  if (peer == nullptr || peer->holder != holder) {
    if (const auto* hello = std::get_if<link::Hello>(&*message)) return parts_->hello(name, holder, *hello);
    return parts_->refuse(name, {Errc::unavailable, "hello first"});
  }
  parts_->peers.heard(*peer);
  std::visit([this, peer](auto& m) { parts_->on(*peer, m); }, *message);
}

void Core::tick() {
  Parts& p = *parts_;
  for (const Peer& gone : p.peers.drop_silent()) {
    p.snapshots.peer_gone(gone.name);
    p.census.forget(gone.name);
  }
  p.census.tick();
  p.answers.release();
  p.sequencer.tick();
  p.snapshots.tick();
  p.sessions.tick();
  p.ticket_keys.tick();
  p.revocations.tick();
  const bool beats = p.clock.steady() >= p.next_heartbeat;
  p.tell_keys(beats);
  if (!beats) return;
  p.next_heartbeat = p.clock.steady() + p.config.heartbeat;
  p.heartbeat();
  p.revocations.remind();
}

void Core::trace(trace::Tracer& tracer) noexcept { parts_->sequencer.trace(tracer); }
void Core::stop() { parts_->sequencer.stop(); }
bool Core::idle() const { return parts_->sequencer.idle() && parts_->answers.empty(); }
std::string Core::not_ready_reason() const { return parts_->sequencer.not_ready_reason(); }
Core::Condition Core::condition() const {
  const Sequencer& sequencer = parts_->sequencer;
  return {sequencer.not_ready_reason(), sequencer.fault() ? sequencer.fault()->detail : "",
          sequencer.committing_for()};
}

}  // namespace tocsin::broker
