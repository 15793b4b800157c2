#pragma once
// Revocations: tokens and subjects that are taken back before their tokens end. Kept with the log, told to
// every edge when they come, when an edge comes, and whenever one has missed some.
//
// Invariant: whoever revoked is answered, and edges are told, after it is durable; the numbers of one list
// ascend. Thread: the loop.
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "broker/config.h"
#include "broker/fanout/peers.h"
#include "broker/log/log_store.h"
#include "broker/metrics.h"
#include "broker/seq/sequencer.h"
#include "common/clock.h"
#include "proto/link_message.h"

namespace tocsin::broker {

class Revocations {
 public:
  using Random = std::function<std::uint64_t()>;

  Revocations(const Config& config, LogStore& store, Sequencer& sequencer, Peers& peers, const Clock& clock,
              Metrics& metrics, Random random)
      : config_(config),
        store_(store),
        sequencer_(sequencer),
        peers_(peers),
        clock_(clock),
        metrics_(metrics),
        random_(std::move(random)) {}

  /// Reads what is kept. Fails with corrupt or io.
  [[nodiscard]] Status open();
  /// Keeps all of the message or nothing; answers with invalid_argument, forbidden (only edges revoke),
  /// too_many or the store's fault.
  void revoke(const Peer& from, const link::Revoke& message);
  /// All that is known, to an edge that has just come.
  void tell(const Peer& edge) { send(edge.name, 0); }
  void asked(const Peer& edge, const link::RevocationsAsk& message);
  /// With each heartbeat: how far the list goes, so that an edge knows when it has missed something.
  void remind();
  /// Forgets what has ended.
  void tick();

 private:
  using List = std::vector<link::Revocation>;
  void send(const std::string& peer, std::uint64_t after);
  void kept(const List& added, std::uint64_t before);
  [[nodiscard]] Status check(const Peer& from, const link::Revoke& message) const;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] Status parse(const std::string& text);

  const Config& config_;
  LogStore& store_;
  Sequencer& sequencer_;
  Peers& peers_;
  const Clock& clock_;
  Metrics& metrics_;
  Random random_;
  std::uint64_t list_ = 0;  ///< its name, random
  std::uint64_t last_ = 0;  ///< number of the newest that is durable
  std::uint64_t next_ = 1;
  List all_;  ///< by number; those above last_ are being kept
  Instant next_look_{};
};

}  // namespace tocsin::broker
