#include "common/mq/dealer.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "common/mq/pump.h"
#include "common/mq/signals_blocked.h"
#include "common/mq/socket_io.h"

namespace tocsin::mq {
namespace {

constexpr int kMonitored = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                           ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                           ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

constexpr std::chrono::milliseconds kRetryRefused{1'000};

constexpr std::string_view kKeyRefused =
    "the broker refused this CURVE key; put its .pub file into the broker's allow-list folder";
constexpr std::string_view kBrokenOff =
    "the handshake broke off; check that both ends have CURVE keys and that this is the broker's own public key";

std::string monitor_name() {
  static std::atomic<unsigned> next{0};
  return "inproc://dealer-monitor-" + std::to_string(next++);
}

}  // namespace

struct Dealer::State {
  State(Context& context, Events handlers)
      : socket(*static_cast<zmq::context_t*>(context.native()), zmq::socket_type::dealer),
        monitor(*static_cast<zmq::context_t*>(context.native()), zmq::socket_type::pair),
        events(std::move(handlers)),
        retry(context.loop()) {}
  ~State() { zmq_socket_monitor(socket.handle(), nullptr, 0); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void connect_again() {
    if (connected) return;
    const SignalsBlocked guard;
    zmq_disconnect(socket.handle(),
                   endpoint.c_str());  // what is left of the refused connection, if anything is
    zmq_connect(socket.handle(), endpoint.c_str());
    pump->used();
  }

  void start(Context& context, const Options& options) {
    endpoint = options.endpoint;
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
    if (!take(socket, bytes)) return false;
    if (events.on_message) events.on_message(bytes.to_string_view());
    return true;
  }

  /// Two frames: event number (16 bits) and value (32 bits), then the endpoint.
  bool monitor_one() {
    zmq::message_t what;
    if (!take(monitor, what)) return false;
    zmq::message_t where;
    if (what.more()) (void)take(monitor, where);
    std::uint16_t event = 0;
    if (what.size() >= sizeof event) std::memcpy(&event, what.data(), sizeof event);
    on_event(event);
    return true;
  }

  void on_event(std::uint16_t event) {
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      connected = true;
      take_news(socket.handle());  // or the first send would find no connection yet
      pump->used();
      if (events.on_connected) events.on_connected();
    } else if (event == ZMQ_EVENT_DISCONNECTED) {
      const bool was = std::exchange(connected, false);
      if (was && events.on_disconnected) events.on_disconnected();
    } else {
      // ZeroMQ itself never tries again after a refusal (libzmq src/session_base.cpp, engine_error).
      retry.start(kRetryRefused, [this] { connect_again(); });
      if (events.on_refused)
        events.on_refused(event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH ? kKeyRefused : kBrokenOff);
    }
  }

  zmq::socket_t socket;
  zmq::socket_t monitor;
  std::string endpoint;
  Events events;
  loop::Timer retry;
  bool connected = false;
  std::unique_ptr<Pump> pump;
  std::unique_ptr<Pump> monitor_pump;
};

Dealer::Dealer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dealer::~Dealer() = default;

Result<std::unique_ptr<Dealer>> Dealer::connect(Context& context, const Options& options, Events events) {
  const SignalsBlocked guard;
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
  state_->pump->used();
  zmq::message_t message(bytes.data(), bytes.size());
  return give(state_->socket, message);
}

}  // namespace tocsin::mq
