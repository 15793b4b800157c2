#include "common/mq/context.h"

#include <array>
#include <utility>
#include <zmq.hpp>

#include "common/mq/pump.h"
#include "common/mq/socket_io.h"

namespace tocsin::mq {

struct Context::State {
  explicit State(loop::Loop& loop) : zap(zmq, zmq::socket_type::rep) {
    zap.set(zmq::sockopt::linger, 0);
    zap.bind("inproc://zeromq.zap.01");
    pump = std::make_unique<Pump>(loop, zap.handle(), [this] { return answer_one(); });
  }

  /// One ZAP request: version, id, domain, address, identity, mechanism, then the key of the client (32
  /// bytes).
  bool answer_one() {
    std::vector<zmq::message_t> request(1);
    if (!take(zap, request.back())) return false;
    while (request.back().more()) {
      request.emplace_back();
      if (!take(zap, request.back())) return false;
    }
    const bool curve =
        request.size() >= 7 && request[5].to_string_view() == "CURVE" && request[6].size() == 32;
    const std::string key = curve ? z85(request[6]) : std::string();
    const auto holder = curve && admission ? admission(key) : std::nullopt;
    const std::string id = request.size() > 1 ? request[1].to_string() : "";
    // Key and holder's name become the User-Id of every message of this connection: see Router.
    const std::array<std::string, 6> reply{"1.0",
                                           id,
                                           holder ? "200" : "400",
                                           holder ? "OK" : "this key is not on the allow-list",
                                           holder ? key + *holder : "",
                                           ""};
    for (std::size_t i = 0; i < reply.size(); ++i) {
      zmq::message_t part(reply[i].data(), reply[i].size());
      if (!give(zap, part, i + 1 < reply.size() ? ZMQ_SNDMORE : 0)) break;
    }
    return true;
  }

  static std::string z85(const zmq::message_t& raw) {
    std::array<char, 41> text{};
    zmq_z85_encode(text.data(), raw.data<std::uint8_t>(), raw.size());
    return text.data();
  }

  zmq::context_t zmq;
  zmq::socket_t zap;
  Admission admission;
  std::unique_ptr<Pump> pump;
};

Context::Context(loop::Loop& loop) : loop_(loop), state_(std::make_unique<State>(loop)) {}
Context::~Context() = default;

void Context::admit(Admission admission) { state_->admission = std::move(admission); }
void* Context::native() noexcept { return &state_->zmq; }

}  // namespace tocsin::mq
