#pragma once
// SessionPuts: the session records written lately. The broker does not acknowledge them, so those of the last
// seconds are said again on a new session with it, and those written while it was away are kept for its
// return.
//
// Bound: one record per session, kMax in all; above, the oldest goes (its session then resumes from an older
// position). Thread: the loop.
#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "edge/link/link_wire.h"
#include "proto/link_message.h"

namespace tocsin::edge {

class SessionPuts {
 public:
  SessionPuts(const Clock& clock, LinkWire& wire) : clock_(clock), wire_(wire) {}

  /// Remembers the record and sends it when `online`. One with an older fence than the last is ignored.
  void put(link::SessionRecord record, bool connected);
  /// The same for many of connected clients, in few messages: one for each costs more than what is in it.
  void put(std::vector<link::SessionRecord> records);
  void drop(const std::string& id) { kept_.erase(id); }
  /// Sends all that is kept.
  void online();
  void offline() noexcept { online_ = false; }
  /// Forgets what was sent long enough ago.
  void tick();

 private:
  static constexpr std::size_t kMax = 200'000;
  static constexpr std::size_t kTogether = 256;  ///< in one message
  struct Put {
    std::string bytes;
    std::uint64_t fence = 0;
    std::uint64_t number = 0;
    bool sent = false;
  };
  struct Age {
    Instant at;
    std::string id;
    std::uint64_t number;
  };

  /// Keeps what is to be sent; null when a newer fence is known.
  Put* keep(link::SessionRecord record, bool connected);

  const Clock& clock_;
  LinkWire& wire_;
  bool online_ = false;
  std::uint64_t numbers_ = 0;
  std::unordered_map<std::string, Put> kept_;
  std::deque<Age> ages_;  ///< may name puts that were replaced: their number tells
};

}  // namespace tocsin::edge
