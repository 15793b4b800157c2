#pragma once
// Sessions: resume records with a time-to-live, and who owns each session. A fencing number decides between
// two sockets of one session: each claim raises it, and what comes with a lower one is ignored.
//
//   (none) --put | claim--> connected --put(connected=false) | edge gone--> waiting --ttl--> (none)
//                               ^------------- claim (fence + 1) ------------'
//
// Invariant: an answer to a claim leaves after its fence is durable.
// Thread: the loop.
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "broker/config.h"
#include "broker/fanout/peers.h"
#include "broker/log/log_store.h"
#include "broker/seq/sequencer.h"
#include "common/clock.h"
#include "proto/link_message.h"

namespace tocsin::broker {

class Sessions {
 public:
  Sessions(const Config& config, LogStore& store, Sequencer& sequencer, Peers& peers, const Clock& clock,
           Metrics& metrics)
      : config_(config),
        store_(store),
        sequencer_(sequencer),
        peers_(peers),
        clock_(clock),
        metrics_(metrics) {}

  /// Ignored when the record's fence is older than the session's, or the record is too large.
  void put(const Peer& from, std::span<const link::SessionPut> puts);
  /// The same for records of connected clients, of which only those that were kept are left.
  void put(const Peer& from, std::vector<link::SessionRecord>& records);
  /// Answers with the record and its new fence, found or not, and tells the former owner.
  void claim(const Peer& from, const link::SessionClaim& message);
  void drop(const link::SessionDrop& message);
  /// Every 100 ms: live edges keep their sessions; the others' end after their time-to-live.
  void tick();

 private:
  bool put_one(const Peer& from, const link::SessionPut& put);
  [[nodiscard]] Result<std::optional<SessionRow>> find(const std::string& id) const;
  void store(SessionRow row);
  [[nodiscard]] std::int64_t expiry() const { return clock_.wall_ms() + config_.session_ttl_s * 1'000; }

  const Config& config_;
  LogStore& store_;
  Sequencer& sequencer_;
  Peers& peers_;
  const Clock& clock_;
  Metrics& metrics_;
  struct Recent {
    SessionRow row;
    std::uint64_t writes = 0;  ///< not committed yet
  };
  std::unordered_map<std::string, Recent> recent_;  // rows on their way to the store
  Instant next_touch_{};
  Instant next_sweep_{};
};

}  // namespace tocsin::broker
