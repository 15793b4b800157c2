#pragma once
// Core: the whole broker without sockets, threads or clocks. Bytes of peers and ticks go in, bytes for peers
// come out through PeerPort, and the log is a LogStore; everything between - link, sequencer, state, fan-out
// - is below here.
//
//   on_bytes --> link --> sequencer --> LogStore::commit ... poll() --> fan-out and answers --> PeerPort
//
// Invariant: nothing reaches a peer about an update before its batch is committed.
// Thread: the loop. The owner calls store.poll() when the store's waker fires; answers then leave from inside
// it.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "broker/config.h"
#include "broker/link/peer_port.h"
#include "broker/log/log_store.h"
#include "broker/metrics.h"
#include "common/clock.h"
#include "common/result.h"
#include "common/trace/tracer.h"

namespace tocsin::broker {

/// 64 random bits: epochs, made-up event ids, keys.
using Random = std::function<std::uint64_t()>;

class Core {
 public:
  /// The arguments outlive the core. Peers get no answer before open().
  Core(const Config& config, std::string cluster_id, LogStore& store, const Clock& clock, Random random,
       PeerPort& out, Metrics& metrics);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  /// Reads channels and keys from the store. Fails with corrupt or io; the core must then not be used.
  [[nodiscard]] Status open();

  /// One message of a peer, as the transport identifies it; `holder` is whose key it came under, empty where
  /// keys have no names. Whatever the bytes are, other peers are not disturbed.
  void on_bytes(std::string_view peer, std::string_view bytes, std::string_view holder = {});
  /// Every 100 ms: heartbeats, silent peers, limits, expiries.
  void tick();

  /// From now on commits of sampled updates are traced.
  void trace(trace::Tracer& tracer) noexcept;

  /// Takes no new updates from now on; those under way are committed and answered.
  void stop();
  /// True when nothing waits for the disk: after stop(), the moment to leave.
  [[nodiscard]] bool idle() const;

  /// Empty, or why updates are not taken at the moment: "disk_full", "corrupt", "io", "stopping".
  [[nodiscard]] std::string not_ready_reason() const;
  /// The same with its words, and how long the commit under way has taken.
  struct Condition {
    std::string code;  ///< not_ready_reason()
    std::string detail;
    Millis committing{0};
  };
  [[nodiscard]] Condition condition() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tocsin::broker
