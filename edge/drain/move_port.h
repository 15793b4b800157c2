#pragma once
// MovePort: what a drain asks of the sessions of its edge. Implemented by Sessions, and by a fake in tests.
//
// Thread: the loop. Nothing here calls back at once, except that close() and replace() may tell
// Drain::gone() on a later turn.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "proto/link_message.h"

namespace tocsin::edge {

/// A client as the drain knows it: a slot of the hub, and who is in it.
struct ClientRef {
  std::uint32_t slot = 0;
  std::uint64_t serial = 0;
};

/// What a client is told of the edge it should go to.
struct Offer {
  std::string_view endpoint;
  Millis reconnect_after;
  Millis deadline;  ///< from now on; then its socket here is closed
};

class MovePort {
 public:
  virtual ~MovePort() = default;
  MovePort(const MovePort&) = delete;
  MovePort& operator=(const MovePort&) = delete;

  enum class Kind : std::uint8_t {
    gone,     ///< closed, or being closed
    early,    ///< has not said enough to be moved: connecting, or taking a session over
    session,  ///< can be offered another edge
    offered,  ///< was offered one already
    events,   ///< an event stream: it is closed, and comes back by itself
  };

  [[nodiscard]] virtual std::vector<ClientRef> all() const = 0;
  [[nodiscard]] virtual Kind look(ClientRef client) const = 0;
  [[nodiscard]] virtual std::string session_of(ClientRef client) const = 0;

  /// Pings the client, so that its positions are known when confirmed().
  virtual void confirm(ClientRef client) = 0;
  [[nodiscard]] virtual bool confirmed(ClientRef client) const = 0;
  /// The resume record as of now.
  [[nodiscard]] virtual link::SessionRecord record_for_move(ClientRef client) = 0;
  virtual void offer(ClientRef client, const Offer& offer) = 0;
  /// It stays after all: the offer may be followed yet, but nothing waits for that.
  virtual void keep(ClientRef client) = 0;
  /// Closes it with 1012, to come back elsewhere after `retry_after`.
  virtual void send_away(ClientRef client, Millis retry_after) = 0;
  /// Closes it with 4409: its session is on another socket.
  virtual void replace(ClientRef client) = 0;

 protected:
  MovePort() = default;
};

}  // namespace tocsin::edge
