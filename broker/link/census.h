#pragma once
// Census: how many sessions addresses and subjects have on each edge, and what the others are told of it
// (LINK.md L-40 to L-43). Nothing is stored: an edge tells everything again when it is welcomed.
//
// Invariant: an edge that is silent or gone has no sessions here; what an edge is told of a key is the sum of
// the others', from half of its limit on. At most kMaxKeys keys an edge are kept. Thread: the loop.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "broker/fanout/peers.h"
#include "broker/metrics.h"
#include "proto/link_message.h"

namespace tocsin::broker {

class Census {
 public:
  static constexpr std::size_t kMaxKeys = 2'000'000;

  Census(Peers& peers, Metrics& metrics) : peers_(peers), metrics_(metrics) {}

  void report(const Peer& from, const link::CountsReport& message);
  /// The peer said hello again, or is gone.
  void forget(std::string_view peer);
  /// Every 100 ms: what changed is told; edges that fell silent no longer count.
  void tick();

 private:
  struct Edge {
    std::unordered_map<std::string, std::uint32_t> counts;
    std::unordered_set<std::string> told;  ///< keys of which it was told something
    std::uint32_t limit_ip = 0;
    std::uint32_t limit_subject = 0;
    std::uint32_t limit_all = 0;
    bool counted = true;   ///< its sessions are in the totals
    bool new_here = true;  ///< was told nothing yet
  };
  void set(Edge& edge, const std::string& key, std::uint32_t n);
  void leave_out(Edge& edge);
  void take_in(Edge& edge);
  void tell(const std::string& peer, Edge& edge);
  [[nodiscard]] static std::uint32_t limit_of(const Edge& edge, std::string_view key) noexcept;

  Peers& peers_;
  Metrics& metrics_;
  std::map<std::string, Edge, std::less<>> edges_;  ///< by the peer's name
  std::unordered_map<std::string, std::uint64_t> totals_;
  std::unordered_set<std::string> changed_;
};

}  // namespace tocsin::broker
