#pragma once
// Peers: who is connected to the broker, what each edge is interested in, and the updates that go out to
// them. An update is encoded once per group and channel, and shared by all edges.
//
//   unknown --Hello--> known --(silence | new Hello under the same name)--> gone
//   live --(sent - received > link.lag_max_bytes)--> lagging --(received up to half of it)--> live
//
// Invariant: a lagging edge is sent no updates: it sees the heads in the heartbeats and reads the log at its
// own pace. Thread: the loop.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker/config.h"
#include "broker/fanout/traffic_totals.h"
#include "broker/link/peer_port.h"
#include "broker/metrics.h"
#include "common/clock.h"
#include "proto/link_message.h"

namespace tocsin::broker {

struct Peer {
  std::string name;    ///< as the transport knows it
  std::string holder;  ///< of the key it came under; empty: keys have no names
  link::Hello hello;
  Instant heard{};
  std::set<std::string, std::less<>> interests;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  Instant moved{};  ///< it took something in, or there was nothing to take in
  bool lagging = false;
  Instant lagging_since{};
  link::EdgeHeartbeat beat;  ///< its last, of an edge

  [[nodiscard]] bool is_edge() const noexcept { return hello.role == "edge"; }
};

class Peers {
 public:
  Peers(const Config& config, const Clock& clock, PeerPort& out, Metrics& metrics)
      : config_(config), clock_(clock), out_(out), metrics_(metrics) {}

  /// A (new) life of a peer: what was known under the name is forgotten. nullptr when link.peers_max are
  /// connected.
  Peer* hello(std::string_view name, link::Hello hello);
  /// nullptr: it has not said hello.
  [[nodiscard]] Peer* find(std::string_view name);
  [[nodiscard]] Peer* find_edge(std::string_view edge_id);
  void forget(const std::string& name);
  void heard(Peer& peer) { peer.heard = clock_.steady(); }

  void interest(Peer& peer, const std::string& channel, bool want);
  void received(Peer& peer, const link::EdgeHeartbeat& beat);
  /// Nothing was heard of it for kSilent, though it is not forgotten yet: nobody should be sent to it.
  [[nodiscard]] bool silent(const Peer& peer) const;
  /// All edges that are known, by id.
  [[nodiscard]] std::vector<link::EdgeInfo> registry() const;
  /// Some edge that is not lagging has more than half of its bound under way, and has moved a moment ago.
  [[nodiscard]] bool crowded() const;
  void fan_out(const std::string& channel, Epoch epoch, const std::vector<Record>& records);
  /// To every peer: the heads of what it is interested in; to edges: the registry.
  void heartbeat(std::uint64_t canary, const std::string& not_ready,
                 const std::function<const link::Head*(const std::string&)>& head_of);
  /// The names of peers that were silent for too long, forgotten.
  std::vector<Peer> drop_silent();

  /// False: the peer is unknown, or its queue is full.
  bool send(std::string_view peer, const link::Message& message);
  [[nodiscard]] std::vector<const Peer*> edges() const;

 private:
  void count();
  const Config& config_;
  const Clock& clock_;
  PeerPort& out_;
  Metrics& metrics_;
  std::map<std::string, std::unique_ptr<Peer>, std::less<>> peers_;
  std::unordered_map<std::string, std::vector<Peer*>> interested_;  // by channel, in the order they came
  std::uint64_t heartbeats_ = 0;
  std::size_t interests_ = 0;
  TrafficTotals totals_;
};

}  // namespace tocsin::broker
