#pragma once
// Wires: the network between the broker and its peers, as ZeroMQ over TCP behaves: order is kept within a
// connection, a connection that breaks loses everything in flight, a full queue drops. In unruly runs
// messages down also get lost, repeated and reordered, which ZeroMQ does not do: the link promises to bear
// it.
//
// Thread: one.
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "broker/link/peer_port.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

/// What a peer's end of the wire is told.
struct WireEnd {
  std::function<void()> connected;
  std::function<void()> disconnected;
  std::function<void(const std::string& bytes)> received;
};

class Wires final : public broker::PeerPort {
 public:
  /// Changes a message on its way down; false: it vanishes. For faults.
  using Tamper = std::function<bool(std::string_view peer, std::string& bytes)>;

  Wires(World& world, bool unruly) : world_(world), unruly_(unruly) {}

  // ---- the broker's end
  void serve(std::function<void(const std::string& peer, const std::string& bytes)> received);
  void broker_died();
  bool send(std::string_view peer, broker::SharedBytes bytes) override;

  // ---- a peer's end
  void attach(const std::string& peer, WireEnd end);
  void detach(const std::string& peer);
  bool send_up(const std::string& peer, std::string bytes);

  // ---- trouble
  void cut(const std::string& peer);
  /// Cuts, and lets nothing through for `ms`. The peer may not even notice.
  void partition(const std::string& peer, std::int64_t ms);
  /// Queues are full for `ms`.
  void clog(const std::string& peer, std::int64_t ms);
  void heal();
  void tamper(Tamper tamper) { tamper_ = std::move(tamper); }

 private:
  struct Line {
    WireEnd end;
    bool attached = false;
    bool up = false;
    std::uint64_t generation = 0;  ///< of the connection: what was sent on an older one is lost
    std::int64_t last_up = 0;      ///< arrival of the newest message, per direction
    std::int64_t last_down = 0;
    std::int64_t unreachable_until = 0;
    std::int64_t clogged_until = 0;
  };
  void reconnect(const std::string& peer, std::int64_t delay);
  void drop(const std::string& peer, Line& line, bool noticed);
  void deliver_down(const std::string& peer, Line& line, broker::SharedBytes bytes, std::int64_t delay);

  World& world_;
  bool unruly_;
  std::map<std::string, Line> lines_;
  std::function<void(const std::string&, const std::string&)> broker_;
  Tamper tamper_;
};

}  // namespace tocsin::sim
