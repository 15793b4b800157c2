#pragma once
// Router: the broker's end of the link. Peers are known by the identity they chose; one that connects with
// the same identity takes its place over, whoever it is: the holder of its key, which cannot be chosen, is
// told with each message.
//
// A link lives as long as its key is on the list: drop_unless() cuts those whose key was taken off.
//
// Nothing here is reliable: a message may be lost when a connection breaks. The link above repairs (LINK.md).
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

class Router {
 public:
  /// `holder` is whose key the message came under (Context::admit); empty without keys.
  using OnMessage =
      std::function<void(std::string_view peer, std::string_view bytes, std::string_view holder)>;
  struct Options {
    std::string endpoint;             ///< tcp://127.0.0.1:7400; port 0 or * takes a free one
    std::optional<CurveKeys> keys{};  ///< with keys, only clients that the Context allows
    int queue =
        20'000;  ///< messages that may wait per peer; the link's lag bound works on bytes, well before
  };

  /// Fails with io (the address is taken) or invalid_argument (it is no endpoint), saying what to do.
  [[nodiscard]] static Result<std::unique_ptr<Router>> bind(Context& context, const Options& options,
                                                            OnMessage on_message);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  /// The endpoint with its real port.
  [[nodiscard]] const std::string& endpoint() const noexcept { return endpoint_; }
  /// Queues `bytes` for a peer without copying them. False when the peer is not connected or its queue is
  /// full.
  bool send(std::string_view peer, std::shared_ptr<const std::string> bytes);

  /// Cuts the connections whose key (Z85) is not `allowed`, and takes no message more that came over them.
  /// Not often: once a second. Without keys nothing is cut. How many were.
  std::size_t drop_unless(const std::function<bool(std::string_view key)>& allowed);
  /// A key that was dropped has come back to the list: what is said under it counts again.
  void welcome_back(std::string_view key);
  /// Handshakes from now on are made with these keys. Every connection breaks (ZeroMQ ends them with their
  /// listener) and comes back to the same port some milliseconds later. Only for a router that was bound with
  /// keys.
  void rekey(const CurveKeys& keys);

 private:
  struct State;
  Router(std::unique_ptr<State> state, std::string endpoint);
  std::unique_ptr<State> state_;
  std::string endpoint_;
};

}  // namespace tocsin::mq
