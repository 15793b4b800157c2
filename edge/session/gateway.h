#pragma once
// Gateway: the edge without its sockets. edge/net feeds it openings, messages and ticks; the simulation does
// the same in virtual time. Owns the sessions and the hub; speaks to the broker through BrokerPort and to
// sockets through Outlet.
//
// Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/net/ip.h"
#include "common/result.h"
#include "edge/broker_port.h"
#include "edge/codec/door.h"
#include "edge/config.h"
#include "edge/hub/outlet.h"
#include "edge/monitoring/channel_labels.h"

namespace tocsin::trace {
class Tracer;
}

namespace tocsin::edge {

struct Metrics;
class Drain;
class Gate;
class Lifetimes;
class Limits;

enum class ClientId : std::uint32_t {};

/// What is known of a client when its socket opens.
struct Opening {
  Encoding encoding;
  net::IpAddress from;        ///< the client's, behind whatever proxies are trusted
  std::string token;          ///< from the header or the query, may be empty
  std::string query;          ///< raw query string: the SSE door subscribes from it
  std::string last_event_id;  ///< SSE: the Last-Event-ID header
};

class Gateway {
 public:
  /// Random numbers for session ids: cryptographic in a process, seeded in the simulation.
  using Random = std::function<std::uint64_t()>;

  Gateway(const Config& config, const Clock& clock, BrokerPort& broker, Outlet& outlet, Random random,
          Metrics& metrics);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// From now on clients need tokens, unless the gate is open. Before the first client.
  void guard(Gate& gate) noexcept;
  /// Gate::apply() said so: who is in may what its token says by the rules of now, and no more.
  void rules_changed();
  /// From now on clients are counted and metered. Before the first client.
  void limit(Limits& limits);
  /// Moves clients to other edges.
  [[nodiscard]] Drain& drain() noexcept;
  /// From now on deliveries of sampled updates are traced.
  void trace(trace::Tracer& tracer) noexcept;
  /// What EdgeLink reports to.
  [[nodiscard]] FeedSink& feed() noexcept;

  /// A socket is established and may be written to. Fails (invalid_argument: the SSE query; overloaded; for
  /// SSE also unauthorized: a token that is bad or missing, and forbidden) before anything is kept. A
  /// WebSocket with a bad token is told so and closed on the next turn.
  Result<ClientId> open(Socket socket, const Opening& opening);
  /// One whole message of the client.
  void message(ClientId client, std::string_view bytes);
  /// The library gave up on a message (too big, bad UTF-8): explain and close.
  void reject(ClientId client, CloseReason reason, std::string_view detail);
  void pong(ClientId client);
  void writable(ClientId client);
  /// The socket is gone; `client` is invalid afterwards. Exactly once per successful open().
  void closed(ClientId client);

  /// End of a loop turn: the pass. Everything the turn produced goes out, one write per client. True when it
  /// stopped early to let the loop look at its sockets: call again on the next turn without waiting for an
  /// event.
  bool turn();
  /// Another turn is wanted by then: updates wait for a max_rate.
  [[nodiscard]] std::optional<Instant> next_due() const;
  /// Something waits for turn() to be sent.
  [[nodiscard]] bool pending() const noexcept;
  /// Every 100 ms: keepalive, head beacons, time-outs, session checkpoints.
  void tick();

  /// The edge stops: every client is told `closing` and closed with `reason`.
  void close_all(CloseReason reason);
  [[nodiscard]] std::size_t clients() const noexcept;
  /// Channels of interest, in no order.
  [[nodiscard]] std::vector<ChannelTally> channels() const;
  /// Of clients that went.
  [[nodiscard]] const Lifetimes& lifetimes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::edge
