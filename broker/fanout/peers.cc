#include "broker/fanout/peers.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace tocsin::broker {
namespace {
/// A large group goes out in several messages: edges begin with the first while the others are under way.
constexpr std::size_t kMaxMessageBytes = std::size_t{256} << 10U;
constexpr Millis kPatience{500};
constexpr Millis kSilent{3'000};
}  // namespace

Peer* Peers::hello(std::string_view name, link::Hello hello) {
  if (peers_.contains(name)) forget(std::string(name));
  if (peers_.size() >= static_cast<std::size_t>(config_.peers_max)) return nullptr;
  auto peer = std::make_unique<Peer>();
  peer->name = name;
  peer->hello = std::move(hello);
  peer->heard = clock_.steady();
  Peer* out = peer.get();
  peers_.emplace(out->name, std::move(peer));
  count();
  return out;
}

Peer* Peers::find(std::string_view name) {
  const auto at = peers_.find(name);
  return at != peers_.end() ? at->second.get() : nullptr;
}

Peer* Peers::find_edge(std::string_view edge_id) {
  for (const auto& [name, peer] : peers_)
    if (peer->is_edge() && peer->hello.id == edge_id) return peer.get();
  return nullptr;
}

void Peers::forget(const std::string& name) {
  const auto at = peers_.find(name);
  if (at == peers_.end()) return;
  for (const auto& channel : std::set<std::string, std::less<>>(at->second->interests))
    interest(*at->second, channel, false);
  peers_.erase(at);
  count();
}

void Peers::count() {
  metrics_.peers.set(static_cast<std::int64_t>(peers_.size()));
  metrics_.edges.set(
      std::count_if(peers_.begin(), peers_.end(), [](const auto& p) { return p.second->is_edge(); }));
  metrics_.interests.set(static_cast<std::int64_t>(interests_));
  metrics_.lagging_edges.set(
      std::count_if(peers_.begin(), peers_.end(), [](const auto& p) { return p.second->lagging; }));
}

void Peers::interest(Peer& peer, const std::string& channel, bool want) {
  if (want) {
    if (!peer.interests.insert(channel).second) return;
    interested_[channel].push_back(&peer);
    ++interests_;
  } else {
    if (peer.interests.erase(channel) == 0) return;
    const auto at = interested_.find(channel);
    std::erase(at->second, &peer);
    if (at->second.empty()) interested_.erase(at);
    --interests_;
  }
  metrics_.interests.set(static_cast<std::int64_t>(interests_));
}

void Peers::received(Peer& peer, const link::EdgeHeartbeat& beat) {
  const auto received = std::min(beat.received_bytes, peer.sent_bytes);
  if (received != std::exchange(peer.received_bytes, received)) peer.moved = clock_.steady();
  peer.beat = beat;
  if (peer.is_edge()) totals_.told(peer.hello.id, peer.hello.instance, beat.traffic);
  if (peer.lagging &&
      peer.sent_bytes - peer.received_bytes <= static_cast<std::uint64_t>(config_.lag_max_bytes) / 2) {
    peer.lagging = false;
    log::info({log::Category::performance, "edge_caught_up"}, "an edge has caught up",
              {{"edge", peer.hello.id}, {"duration_ms", (clock_.steady() - peer.lagging_since).count()}});
    count();
  }
}

bool Peers::silent(const Peer& peer) const { return clock_.steady() - peer.heard > kSilent; }

std::vector<link::EdgeInfo> Peers::registry() const {
  std::vector<link::EdgeInfo> out;
  for (const auto& [name, peer] : peers_) {
    if (!peer->is_edge()) continue;
    const link::EdgeHeartbeat& beat = peer->beat;
    std::string_view state = beat.state;
    if (state.empty()) state = "starting";
    if (silent(*peer)) state = "silent";
    out.push_back({peer->hello.id, peer->hello.endpoint, peer->hello.revision, std::string(state),
                   beat.clients, beat.clients_max, beat.take_per_s, beat.load, beat.weight});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  return out;
}

bool Peers::crowded() const {
  const auto half = static_cast<std::uint64_t>(config_.lag_max_bytes) / 2;
  const Instant moved_since = clock_.steady() - kPatience;
  return std::any_of(peers_.begin(), peers_.end(), [&](const auto& entry) {
    const Peer& peer = *entry.second;
    return peer.is_edge() && !peer.lagging && peer.sent_bytes - peer.received_bytes > half &&
           peer.moved >= moved_since;
  });
}

void Peers::fan_out(const std::string& channel, Epoch epoch, const std::vector<Record>& records) {
  const auto interested = interested_.find(channel);
  if (interested == interested_.end()) return;
  const auto committed_us = static_cast<std::uint64_t>(clock_.wall_us());
  for (std::size_t from = 0; from < records.size();) {
    link::Updates updates{channel, epoch, {}, committed_us};
    std::size_t bytes = 0;
    for (; from < records.size() && bytes < kMaxMessageBytes; ++from) {
      bytes += records[from].bytes->size();
      updates.records.push_back(records[from]);
    }
    const auto message = std::make_shared<const std::string>(link::encode(updates));
    for (Peer* peer : interested->second) {
      if (peer->lagging) {
        metrics_.fanout_withheld.add();
        continue;
      }
      if (!out_.send(peer->name, message)) {
        metrics_.send_failures.add();
        continue;
      }
      metrics_.fanout_messages.add();
      metrics_.fanout_bytes.add(static_cast<std::int64_t>(message->size()));
      if (peer->sent_bytes == peer->received_bytes) peer->moved = clock_.steady();
      peer->sent_bytes += message->size();
      if (peer->sent_bytes - peer->received_bytes > static_cast<std::uint64_t>(config_.lag_max_bytes)) {
        peer->lagging = true;
        peer->lagging_since = clock_.steady();
        log::warn({log::Category::performance, "edge_lags"}, "an edge lags; it catches up by reading the log",
                  {{"edge", peer->hello.id}, {"unreceived_bytes", peer->sent_bytes - peer->received_bytes}});
        count();
      }
    }
  }
}

void Peers::heartbeat(std::uint64_t canary, const std::string& not_ready,
                      const std::function<const link::Head*(const std::string&)>& head_of) {
  ++heartbeats_;
  const auto known = registry();
  const auto traffic = totals_.sum();
  std::uint64_t unreceived = 0;
  for (const auto& [name, peer] : peers_) {
    link::BrokerHeartbeat beat{heartbeats_, {}, canary, not_ready, {}};
    if (peer->is_edge()) {
      beat.edges = known;
      beat.traffic = traffic;
      unreceived = std::max(unreceived, peer->sent_bytes - peer->received_bytes);
    }
    for (const auto& channel : peer->interests)
      if (const link::Head* head = head_of(channel)) beat.heads.push_back(*head);
    send(name, beat);
  }
  metrics_.sent_unreceived.set(static_cast<std::int64_t>(unreceived));
}

std::vector<Peer> Peers::drop_silent() {
  std::vector<Peer> out;
  const Instant oldest = clock_.steady() - config_.peer_silence;
  for (const auto& [name, peer] : peers_)
    if (peer->heard < oldest) out.push_back(*peer);
  for (const auto& peer : out) {
    log::warn("a peer is silent and counts as gone", {{"peer", peer.hello.id}, {"role", peer.hello.role}});
    forget(peer.name);
  }
  return out;
}

bool Peers::send(std::string_view peer, const link::Message& message) {
  if (out_.send(peer, std::make_shared<const std::string>(link::encode(message)))) return true;
  metrics_.send_failures.add();
  return false;
}

std::vector<const Peer*> Peers::edges() const {
  std::vector<const Peer*> out;
  for (const auto& [name, peer] : peers_)
    if (peer->is_edge()) out.push_back(peer.get());
  return out;
}

}  // namespace tocsin::broker
