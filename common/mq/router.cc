#include "common/mq/router.h"

#include <zmq.hpp>

#include "common/mq/pump.h"
#include "common/mq/signals_blocked.h"
#include "common/mq/socket_io.h"

namespace tocsin::mq {
namespace {

constexpr std::size_t kCopyBelow = 512;             // bytes; sharing costs two allocations, a copy one
constexpr std::int64_t kMaxMessage = 128LL << 20U;  // bytes; a peer that sends more is disconnected

void release(void*, void* hint) { delete static_cast<std::shared_ptr<const std::string>*>(hint); }

/// A message that shares the string: freed on ZeroMQ's thread when it is out.
zmq::message_t shared(std::shared_ptr<const std::string> bytes) {
  if (bytes->size() < kCopyBelow) return {bytes->data(), bytes->size()};
  auto* hold = new std::shared_ptr<const std::string>(std::move(bytes));
  // ZeroMQ takes void*; it never writes to it.
  return {const_cast<char*>((*hold)->data()), (*hold)->size(), release,
          hold};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

std::string with_free_port(std::string endpoint) {
  if (endpoint.ends_with(":0")) endpoint.back() = '*';
  return endpoint;
}

}  // namespace

struct Router::State {
  State(Context& context, OnMessage handler)
      : socket(*static_cast<zmq::context_t*>(context.native()), zmq::socket_type::router),
        on_message(std::move(handler)) {}

  bool receive_one() {
    zmq::message_t peer;
    if (!take(socket, peer)) return false;
    zmq::message_t bytes;
    int parts = 0;
    bool more = peer.more();
    while (more) {
      if (!take(socket, bytes)) break;
      ++parts;
      more = bytes.more();
    }
    const char* const holder = zmq_msg_gets(bytes.handle(), "User-Id");
    if (parts == 1)
      on_message(peer.to_string_view(), bytes.to_string_view(),
                 holder != nullptr ? holder : "");  // the link knows no other shape
    return true;
  }

  zmq::socket_t socket;
  OnMessage on_message;
  std::unique_ptr<Pump> pump;
};

Router::Router(std::unique_ptr<State> state, std::string endpoint)
    : state_(std::move(state)), endpoint_(std::move(endpoint)) {}
Router::~Router() = default;

Result<std::unique_ptr<Router>> Router::bind(Context& context, const Options& options, OnMessage on_message) {
  const SignalsBlocked guard;
  auto state = std::make_unique<State>(context, std::move(on_message));
  auto& socket = state->socket;
  try {
    socket.set(zmq::sockopt::router_mandatory, true);
    socket.set(zmq::sockopt::router_handover, true);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndhwm, options.queue);
    socket.set(zmq::sockopt::rcvhwm, options.queue);
    socket.set(zmq::sockopt::maxmsgsize, kMaxMessage);
    if (options.keys) {
      socket.set(zmq::sockopt::curve_server, true);
      socket.set(zmq::sockopt::curve_secretkey, options.keys->secret_key);
      socket.set(zmq::sockopt::zap_domain, "tocsin");
    }
    socket.bind(with_free_port(options.endpoint));
  } catch (const zmq::error_t& e) {
    if (e.num() == EADDRINUSE)
      return Error{Errc::io, options.endpoint + " is in use; stop what listens there or choose another port"};
    return Error{e.num() == EINVAL ? Errc::invalid_argument : Errc::io,
                 "cannot listen on " + options.endpoint + ": " + e.what()};
  }
  std::string endpoint = socket.get(zmq::sockopt::last_endpoint);
  State* s = state.get();
  state->pump = std::make_unique<Pump>(context.loop(), socket.handle(), [s] { return s->receive_one(); });
  return std::unique_ptr<Router>(new Router(std::move(state), std::move(endpoint)));
}

bool Router::send(std::string_view peer, std::shared_ptr<const std::string> bytes) {
  auto& socket = state_->socket;
  state_->pump->used();
  zmq::message_t to(peer.data(), peer.size());
  if (!give(socket, to, ZMQ_SNDMORE)) return false;
  auto message = shared(std::move(bytes));
  return give(socket, message);
}

}  // namespace tocsin::mq
