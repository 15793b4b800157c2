#pragma once
// Server: every client socket of the edge. libwebsockets runs as a guest on the loop; the listener, keepalive
// and fan-out are ours (see ARCHITECTURE.md, "the socket"). Bytes go in to Gateway and HttpApi; ready-made
// frames come out through Outlet.
//
// Invariants that keep frames whole, each with its reason in server.cc:
//   nothing is written to a socket while the library holds unsent bytes for it, nor after a close has begun
//   on either side; only unfragmented messages are written, in the form the socket's protocol wants; one
//   thread.
// Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "common/clock.h"
#include "common/loop/loop.h"
#include "common/result.h"
#include "edge/config.h"
#include "edge/hub/outlet.h"
#include "edge/metrics.h"

namespace tocsin::edge {

class Gateway;
class HttpApi;
class Limits;

class Server final : public Outlet {
 public:
  /// Raises or lowers the limit of descriptors to what limits.clients_max needs. Fails with io.
  static Status set_descriptor_limit(const Config& config);

  Server(const Config& config, const Clock& clock, loop::Loop& loop, Metrics& metrics);
  /// Shuts down if that was not done.
  ~Server() override;

  /// Starts to listen. Fails with invalid_argument or io and a sentence for the operator. `gateway` and `api`
  /// outlive the last connection.
  Status start(Gateway& gateway, HttpApi& api);
  [[nodiscard]] std::uint16_t port() const;
  /// A reload: whether `next` can be followed; certificates are read. Fails with invalid_argument.
  [[nodiscard]] Status check(const Config& next);
  /// New connections follow the settings as they are now.
  void apply();
  /// New clients are told 503, those that are here stay; health, metrics and /admin/ are answered.
  void send_elsewhere_while(std::function<bool()> refusing);
  /// Reads proxy.*, origin.* and listen.hosts again. Fails with invalid_argument, and then changes nothing.
  Status configure();
  /// From now on connections are counted by address. Before start(); `limits` outlives the last connection.
  void limit(Limits& limits) noexcept;
  /// No new connections; those there stay.
  void stop_accepting();
  /// Closes every connection that is left and frees the library, which takes some turns of the loop: not from
  /// inside one.
  void shut_down();
  [[nodiscard]] std::size_t connections() const;

  /// Every 100 ms: handshakes and closes that took too long.
  void tick();
  /// At the end of each turn: uploads that may go on.
  void turn();

  // ---- Outlet
  [[nodiscard]] bool busy(Socket socket) const override;
  Sent write(Socket socket, std::string_view frames) override;
  void close(Socket socket, CloseReason reason, std::string_view detail) override;
  [[nodiscard]] std::uint64_t received(Socket socket) const override;
  [[nodiscard]] std::size_t max_batch(Socket socket) const override;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::edge
