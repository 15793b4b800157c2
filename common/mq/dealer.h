#pragma once
// Dealer: an edge's or publisher's end of the link. Connects and reconnects by itself, from 50 ms up to 1 s
// apart.
//
//   connecting --on_connected--> connected --on_disconnected--> connecting ...      on_refused: CURVE said
//   no; it keeps trying
//
// Thread: the loop's.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/mq/context.h"
#include "common/mq/curve.h"
#include "common/result.h"

namespace tocsin::mq {

class Dealer {
 public:
  struct Security {
    CurveKeys keys;
    std::string server_key;  ///< the router's public key, Z85
  };
  struct Options {
    std::string endpoint;
    std::string identity;  ///< 1 to 255 bytes, unique among the router's peers
    std::optional<Security> security{};
    int queue = 20'000;  ///< messages that may wait
  };
  struct Events {
    std::function<void()> on_connected;
    std::function<void()> on_disconnected;
    std::function<void(std::string_view why)> on_refused;
    std::function<void(std::string_view bytes)> on_message;
  };

  /// Starts to connect. Fails with invalid_argument when the endpoint, the identity or a key is none.
  [[nodiscard]] static Result<std::unique_ptr<Dealer>> connect(Context& context, const Options& options,
                                                               Events events);
  ~Dealer();
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  /// False when not connected or when the queue is full: nothing was taken.
  bool send(std::string_view bytes);

 private:
  struct State;
  explicit Dealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tocsin::mq
