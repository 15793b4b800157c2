#include "common/mq/dealer.h"

#include <atomic>
#include <cstring>
#include <zmq.hpp>

#include "common/mq/pump.h"

namespace tocsin::mq {
namespace {

constexpr int kMonitored = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

std::string monitor_name() {
  static std::atomic<unsigned> next{0};
  return "inproc://dealer-monitor-" + std::to_string(next++);
}

}  // namespace

struct Dealer::State {
  State(Context& context, Events handlers)
      : socket(*static_cast<zmq::context_t*>(context.native()), zmq::socket_type::dealer),
        monitor(*static_cast<zmq::context_t*>(context.native()), zmq::socket_type::pair),
        events(std::move(handlers)) {}
  ~State() { zmq_socket_monitor(socket.handle(), nullptr, 0); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start(Context& context, const Options& options) {
    const std::string name = monitor_name();
    zmq_socket_monitor(socket.handle(), name.c_str(), kMonitored);
    monitor.set(zmq::sockopt::linger, 0);
    monitor.connect(name);
    socket.connect(options.endpoint);
    pump = std::make_unique<Pump>(context.loop(), socket.handle(), [this] { return receive_one(); });
    monitor_pump = std::make_unique<Pump>(context.loop(), monitor.handle(), [this] { return monitor_one(); });
  }

  bool receive_one() {
    zmq::message_t bytes;
    if (!socket.recv(bytes, zmq::recv_flags::dontwait)) return false;
    if (events.on_message) events.on_message(bytes.to_string_view());
    return true;
  }

  /// Two frames: event number (16 bits) and value (32 bits), then the endpoint.
  bool monitor_one() {
    zmq::message_t what;
    if (!monitor.recv(what, zmq::recv_flags::dontwait)) return false;
    zmq::message_t endpoint;
    if (what.more()) (void)monitor.recv(endpoint, zmq::recv_flags::dontwait);
    std::uint16_t event = 0;
    if (what.size() >= sizeof event) std::memcpy(&event, what.data(), sizeof event);
    on_event(event);
    return true;
  }

  void on_event(std::uint16_t event) {
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      connected = true;
      pump->used();
      if (events.on_connected) events.on_connected();
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
      const bool was = std::exchange(connected, false);
      if (was && events.on_disconnected) events.on_disconnected();
    } else if (events.on_refused) {
      events.on_refused("the broker refused this CURVE key; check the key files and the broker's allow-list");
    }
  }

  zmq::socket_t socket;
  zmq::socket_t monitor;
  Events events;
  bool connected = false;
  std::unique_ptr<Pump> pump;
  std::unique_ptr<Pump> monitor_pump;
};

Dealer::Dealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dealer::~Dealer() = default;

Result<std::unique_ptr<Dealer>> Dealer::connect(Context& context, const Options& options, Events events) {
  auto state = std::make_unique<State>(context, std::move(events));
  try {
    auto& socket = state->socket;
    socket.set(zmq::sockopt::routing_id, options.identity);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::immediate, true);  // nothing is queued for a connection that is not there
    socket.set(zmq::sockopt::sndhwm, options.queue);
    socket.set(zmq::sockopt::rcvhwm, options.queue);
    socket.set(zmq::sockopt::reconnect_ivl, 50);
    socket.set(zmq::sockopt::reconnect_ivl_max, 1'000);
    socket.set(zmq::sockopt::handshake_ivl, 5'000);
    if (options.security) {
      socket.set(zmq::sockopt::curve_serverkey, options.security->server_key);
      socket.set(zmq::sockopt::curve_publickey, options.security->keys.public_key);
      socket.set(zmq::sockopt::curve_secretkey, options.security->keys.secret_key);
    }
    state->start(context, options);
  } catch (const zmq::error_t& e) {
    return Error{Errc::invalid_argument, "cannot connect to " + options.endpoint + ": " + e.what()};
  }
  return std::unique_ptr<Dealer>(new Dealer(std::move(state)));
}

bool Dealer::send(std::string_view bytes) {
  if (!state_->connected) return false;
  const bool sent = state_->socket.send(zmq::buffer(bytes), zmq::send_flags::dontwait).has_value();
  state_->pump->used();
  return sent;
}

}  // namespace tocsin::mq
