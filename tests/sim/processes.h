#pragma once
// BrokerProcess and EdgeProcess: the product's cores with simulated ports around them, started, killed and
// started again. What a real process does in its loop - ticks, turns, waking for the store - is done here in
// virtual time.
//
// Invariant: a killed process leaves nothing behind but its disk, and hears nothing more. Thread: one.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/core.h"
#include "broker/log/memory_log_store.h"
#include "broker/log/split_log_store.h"
#include "edge/auth/gate.h"
#include "edge/drain/drain.h"
#include "edge/link/edge_link.h"
#include "edge/metrics.h"
#include "edge/session/gateway.h"
#include "tests/sim/disk.h"
#include "tests/sim/sockets.h"
#include "tests/sim/wires.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

inline constexpr std::int64_t kTickMs = 100;
inline const std::string kEndpoint = "sim://";  ///< and the edge's id

class BrokerProcess {
 public:
  BrokerProcess(World& world, Wires& wires, Disk& disk, broker::Config config);
  ~BrokerProcess();

  void start();
  void kill();
  [[nodiscard]] bool running() const noexcept { return parts_ != nullptr; }

 private:
  struct Parts;
  void tick();
  void poll();

  World& world_;
  Wires& wires_;
  Disk& disk_;
  const broker::Config config_;
  std::unique_ptr<Parts> parts_;
  Life life_;
  bool poll_due_ = false;
};

class EdgeProcess {
 public:
  EdgeProcess(World& world, Wires& wires, Sockets& sockets, edge::Config config);
  ~EdgeProcess();

  void start();
  void kill();
  [[nodiscard]] bool running() const noexcept { return parts_ != nullptr; }
  /// A client connects; refused (null) when the process is not there.
  [[nodiscard]] bool accept(const Connection& tcp);
  /// SIGTERM: a drain when somebody takes its clients, then the end, and a new life `away_ms` later. `last`
  /// is called before the process ends.
  void terminate(std::int64_t deadline_ms, std::int64_t away_ms, World::Event last);
  [[nodiscard]] bool leaving() const noexcept { return leaving_; }
  /// Null while the process is not there.
  [[nodiscard]] edge::Drain* drain();
  [[nodiscard]] const std::string& id() const noexcept { return config_.id; }
  /// As POST /v1/updates does: through the link, past any session. False when the process is not there.
  bool publish(Draft draft, edge::Answer<std::vector<link::PublishOutcome>> answer);
  /// As POST /admin/revoke does: all tokens of a subject up to now. False when the process is not there.
  bool revoke(const std::string& subject, edge::Answer<link::RevokeAnswer> answer);

 private:
  struct Parts;
  class Wire;
  void tick();
  void report();
  void leave();
  /// The end of a loop turn is due.
  void turn_soon();

  World& world_;
  Wires& wires_;
  Sockets& sockets_;
  const edge::Config config_;
  std::unique_ptr<Parts> parts_;
  Life life_;
  bool turn_due_ = false;
  bool leaving_ = false;
  std::int64_t away_ms_ = 0;
  World::Event last_;
};

}  // namespace tocsin::sim
