#pragma once
// Sockets: TCP between clients and edges, and the Outlet that an edge writes to. Bytes keep their order; what
// an edge wrote and the client did not read waits in a bounded kernel buffer; a cut loses what is in flight
// in both directions.
//
// Thread: one.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "edge/codec/ws_frame.h"
#include "edge/hub/outlet.h"
#include "tests/sim/fault.h"
#include "tests/sim/world.h"

namespace tocsin::sim {

/// One connection. Owned by both ends; either may be gone before the other knows.
struct Tcp {
  // the client's end
  std::function<void(std::string_view json)> frame;
  std::function<void()> gone;  ///< the client learns that the connection is over
  // the edge's end
  std::function<void(std::string bytes)> message;
  std::function<void()> pong;
  std::function<void()> writable;
  std::function<void()> closed;

  std::string unread;  ///< written by the edge, waiting for the client to read
  bool owed_writable = false;
  bool reading = true;  ///< false: a client that does not read
  bool client_open = true;
  bool edge_open = true;
  bool closing = false;  ///< the edge asked for the end
  std::string token;     ///< shown with the upgrade; empty: none
  bool proto = false;    ///< the client speaks tocsin.v1.proto: binary frames, translated here
  std::int64_t last_down = 0;
  std::int64_t last_up = 0;
  std::string partial;  ///< read by the client, not yet a whole frame
};
using Connection = std::shared_ptr<Tcp>;

class Sockets {
 public:
  static constexpr std::size_t kBuffer = 16'384;
  Sockets(World& world, Fault fault) : world_(world), fault_(fault) {}

  // ---- the client's end
  void send(const Connection& tcp, std::string json);
  void set_reading(const Connection& tcp, bool reading);
  /// The connection breaks; both ends learn of it, each in its own time.
  void cut(const Connection& tcp);

  // ---- the edge's end
  edge::Sent write(const Connection& tcp, std::string_view bytes);
  void close(const Connection& tcp);
  /// The edge process died.
  void edge_died(const Connection& tcp);

 private:
  void pump(const Connection& tcp);
  void arrive(const Connection& tcp, std::string_view bytes);
  void deliver(const Connection& tcp, const edge::ws::View& frame);
  void end(const Connection& tcp);
  [[nodiscard]] std::string spoilt(std::string_view bytes);

  World& world_;
  Fault fault_;
};

/// An edge's view of its sockets: handles are Connection objects kept alive by the edge.
class SimOutlet final : public edge::Outlet {
 public:
  explicit SimOutlet(Sockets& sockets) : sockets_(sockets) {}
  [[nodiscard]] bool busy(edge::Socket socket) const override;
  edge::Sent write(edge::Socket socket, std::string_view frames) override;
  void close(edge::Socket socket, CloseReason reason, std::string_view detail) override;
  [[nodiscard]] std::size_t max_batch(edge::Socket) const override { return kBatch; }

 private:
  static constexpr std::size_t kBatch = 8'192;
  Sockets& sockets_;
};

}  // namespace tocsin::sim
