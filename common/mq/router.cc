#include "common/mq/router.h"

#include <sys/socket.h>

#include <map>
#include <set>
#include <utility>
#include <zmq.hpp>

#include "common/log/log.h"
#include "common/loop/handles.h"
#include "common/mq/pump.h"
#include "common/mq/signals_blocked.h"
#include "common/mq/socket_io.h"

namespace tocsin::mq {
namespace {

constexpr std::size_t kCopyBelow = 512;  // bytes; sharing costs two allocations, a copy one
constexpr std::chrono::milliseconds kBindRetry{5};
constexpr std::uint64_t kForgotten = 600;  // generations; a peer that comes back after that is looked at anew
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
        on_message(std::move(handler)),
        again(context.loop()) {}

  static constexpr std::size_t kKeySize = 40;  ///< Z85

  /// What is known of a peer's connection. Looked at anew with its first message in each generation: a peer
  /// may have come back over another connection.
  struct Link {
    std::uint64_t generation = 0;
    std::string key;
    int fd = -1;
    std::string address;
  };

  bool bind_again() {
    const SignalsBlocked guard;
    return zmq_bind(socket.handle(), endpoint.c_str()) == 0;
  }

  /// Who is on the other end of `fd`; empty when it is no connection to `port`.
  [[nodiscard]] std::string other_end(int fd) const {
    sockaddr_storage own{};
    sockaddr_storage other{};
    socklen_t own_size = sizeof own;
    socklen_t size = sizeof other;
    if (fd < 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_size) != 0 ||
        getpeername(fd, reinterpret_cast<sockaddr*>(&other), &size) != 0)
      return {};
    return {reinterpret_cast<const char*>(&other), size};
  }

  /// False: its key was taken off the list, nothing it says counts.
  bool note_link(std::string_view peer, zmq::message_t& bytes, std::string_view key) {
    if (!dropped.empty() && dropped.find(key) != dropped.end()) return false;
    if (last == nullptr || last->first != peer) {
      auto at = links.find(peer);
      if (at == links.end()) at = links.emplace(std::string(peer), Link{}).first;
      last = &*at;
    }
    Link& link = last->second;
    if (link.generation == generation && link.key == key) return true;
    link.generation = generation;
    link.key = key;
    link.fd = zmq_msg_get(bytes.handle(), ZMQ_SRCFD);
    link.address = other_end(link.fd);
    return true;
  }

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
    if (parts != 1) return true;  // the link knows no other shape
    const char* const user = keyed ? zmq_msg_gets(bytes.handle(), "User-Id") : nullptr;
    std::string_view holder = user != nullptr ? user : "";
    if (holder.size() >= kKeySize) {  // as Context wrote it
      if (!note_link(peer.to_string_view(), bytes, holder.substr(0, kKeySize))) return true;
      holder.remove_prefix(kKeySize);
    }
    on_message(peer.to_string_view(), bytes.to_string_view(), holder);
    return true;
  }

  zmq::socket_t socket;
  OnMessage on_message;
  bool keyed = false;
  std::string endpoint;
  loop::Timer again;  ///< until the port is ours once more
  std::uint64_t generation = 1;
  std::map<std::string, Link, std::less<>> links;
  std::pair<const std::string, Link>* last = nullptr;  ///< whose message came last
  std::set<std::string, std::less<>> dropped;          ///< keys that were taken off the list
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
  state->endpoint = endpoint;
  state->keyed = options.keys.has_value();
  State* s = state.get();
  state->pump = std::make_unique<Pump>(context.loop(), socket.handle(), [s] { return s->receive_one(); });
  return std::unique_ptr<Router>(new Router(std::move(state), std::move(endpoint)));
}

std::size_t Router::drop_unless(const std::function<bool(std::string_view key)>& allowed) {
  State& s = *state_;
  ++s.generation;
  s.last = nullptr;
  std::erase_if(s.dropped, [&](const std::string& key) { return allowed(key); });
  std::size_t cut = 0;
  for (auto it = s.links.begin(); it != s.links.end();) {
    const State::Link& link = it->second;
    if (allowed(link.key)) {
      const bool gone = s.generation - link.generation > kForgotten;
      it = gone ? s.links.erase(it) : std::next(it);
      continue;
    }
    s.dropped.insert(link.key);
    // The descriptor is ZeroMQ's: shut down, not closed. If it has become another connection's meanwhile it
    // is let be.
    if (!link.address.empty() && s.other_end(link.fd) == link.address) (void)shutdown(link.fd, SHUT_RDWR);
    it = s.links.erase(it);
    ++cut;
  }
  return cut;
}

void Router::welcome_back(std::string_view key) {
  auto& dropped = state_->dropped;
  if (const auto at = dropped.find(key); at != dropped.end()) dropped.erase(at);
}

void Router::rekey(const CurveKeys& keys) {
  State& s = *state_;
  try {
    s.socket.set(zmq::sockopt::curve_secretkey,
                 keys.secret_key);  // of connections to come: libzmq copies it at bind
  } catch (const zmq::error_t& e) {
    return log::error("the new CURVE key is not taken", {{"detail", e.what()}});
  }
  {
    const SignalsBlocked guard;
    (void)zmq_unbind(s.socket.handle(), s.endpoint.c_str());
  }
  // ZeroMQ's thread lets go of the port when it comes to it.
  s.again.start(kBindRetry, kBindRetry, [&s] {
    if (s.bind_again()) s.again.stop();
    s.pump->used();
  });
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
