#pragma once
// Server: small HTTP/1.1 server for administration, health and metrics. Also answers HTTP/1.0 without a Host
// header, as load balancers ask. Not for clients of the stream: that is edge/net.
//
// Invariant: each request is answered once: by its Responder, or with 500 when every copy of it was dropped
// unanswered. The destructor closes what is connected, and no handler is called any more. Thread: the loop's.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/http/context.h"
#include "common/http/message.h"
#include "common/result.h"

namespace tocsin::http {

class Exchange;
class ServerDoor;

/// The right to answer one request, now or later. Copies share it; the first answer counts. Answering after
/// the client went away does nothing.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange);
  void operator()(Response response) const;

 private:
  struct Claim;
  std::shared_ptr<Claim> claim_;
};

class Server {
 public:
  using Handler = std::function<void(const Request&, const Responder&)>;
  static constexpr std::size_t kMaxBody = 1U << 20U;  ///< bytes; more is answered 413

  /// Listens on `address`:`port` (0: any free port). Fails with io: says which port is taken or why not.
  [[nodiscard]] static Result<std::unique_ptr<Server>> listen(Context& context, const std::string& address,
                                                              std::uint16_t port, Handler handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

 private:
  explicit Server(Handler handler);
  std::shared_ptr<ServerDoor> door_;
  std::string address_;
  lws_vhost* vhost_ = nullptr;
  std::uint16_t port_ = 0;
};

}  // namespace tocsin::http
