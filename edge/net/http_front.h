#pragma once
// HttpFront: requests of one connection after the other, between libwebsockets' callbacks and HttpApi.
// Answers are written whole and raw; the library keeps the connection for the next request.
//
// Invariant: a connection has at most one Exchange; while its answer is awaited nothing is read from the
// socket. Each on_...() returns what the callback returns: 0, or -1 to close. Thread: the loop.
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "edge/config.h"
#include "edge/http_api/http_api.h"
#include "edge/metrics.h"
#include "edge/net/connection.h"
#include "edge/net/http_text.h"
#include "edge/net/request.h"

namespace tocsin::edge {

class Limits;

/// One request until its answer is written.
struct Exchange {
  lws* wsi = nullptr;  ///< null: the connection is gone, nobody wants the answer
  HttpRequest request;
  std::unique_ptr<Upload> upload;
  Body body = Body::send;
  bool secure = false;
  bool keep_alive = true;
  bool body_done = false;
  bool answered = false;
  bool last = false;  ///< the connection ends with this answer
  bool paused = false;
  std::string allow_origin;
  std::string output;
};

class HttpFront {
 public:
  HttpFront(const Config& config, Metrics& metrics) : config_(config), metrics_(metrics) {}
  void attach(HttpApi& api) noexcept { api_ = &api; }

  /// Whether pages of every origin may read answers; else each request says it.
  void open_to_any_origin(bool open) noexcept { any_origin_ = open; }
  /// Requests without a good token are offences of their address. Null: nobody counts them.
  void limit(Limits* limits) noexcept { limits_ = limits; }
  int on_request(Connection& connection, Result<RequestHead> head);
  int on_body(Connection& connection, std::string_view bytes);
  int on_body_end(Connection& connection);
  int on_writable(Connection& connection);
  void on_closed(Connection& connection);
  /// Answers at once with an error, for requests that never get to HttpApi.
  int refuse(Connection& connection, const HttpReply& reply);
  [[nodiscard]] bool is_health(std::string_view path) const { return api_->is_health(path); }
  /// Each turn: uploads that were full read on when there is room again.
  void resume();

  [[nodiscard]] static bool is_secure(const Connection& connection);
  /// Strict-Transport-Security for an answer over TLS; empty for others, where it counts for nothing.
  [[nodiscard]] std::string_view hsts(bool secure) const {
    return secure ? std::string_view(config_.hsts) : std::string_view();
  }

 private:
  int start_body(Connection& connection, const RequestHead& head);
  int hand_over(Connection& connection);
  int send(Connection& connection);
  [[nodiscard]] HttpApi::Reply reply_to(const std::shared_ptr<Exchange>& exchange) const;

  const Config& config_;
  Metrics& metrics_;
  HttpApi* api_ = nullptr;
  bool any_origin_ = true;
  Limits* limits_ = nullptr;
  std::list<std::weak_ptr<Exchange>> paused_;
};

}  // namespace tocsin::edge
