#pragma once
// Client: HTTP requests, asynchronous, whole bodies, or an answer without end piece by piece. What tocsinctl
// and the supervisor ask of edges, each other, and an API server.
//
// Invariant: each request's callback comes exactly once, on a later turn, unless the Client is destroyed
// first. Thread: the loop's.
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>

#include "common/http/context.h"
#include "common/http/message.h"
#include "common/result.h"

namespace tocsin::http {

/// http://host:port/path?query, ws://..., https://... or wss://... in its parts.
struct Url {
  std::string scheme;
  std::string host;
  std::uint16_t port = 80;
  std::string path = "/";  ///< with the query

  [[nodiscard]] bool secure() const noexcept { return scheme == "https" || scheme == "wss"; }
};
/// Fails with invalid_argument for anything but http://, https://, ws:// and wss:// URLs.
[[nodiscard]] Result<Url> parse_url(std::string_view text);

class Transfer;

class Client {
 public:
  using Done = std::function<void(Result<Response>)>;
  static constexpr std::size_t kMaxBody = 64U << 20U;  ///< bytes of a response; more fails with too_large

  explicit Client(Context& context) : context_(context) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// GET, POST, PUT, PATCH, DELETE (libwebsockets waits for a body after HEAD). `headers` as given;
  /// content-length is added. Fails (through `done`) with unavailable (nobody answers), timeout, too_large,
  /// or invalid_argument for the URL. Any HTTP status is a Response.
  void request(const std::string& method, const std::string& url, Headers headers, std::string body,
               std::chrono::milliseconds timeout, Done done);
  void get(const std::string& url, std::chrono::milliseconds timeout, Done done) {
    request("GET", url, {}, {}, timeout, std::move(done));
  }
  using Sink = std::function<bool(std::string_view piece)>;
  /// GET whose answer, if it is a 200, is handed to `sink` as it comes; `done` follows when it has ended,
  /// with an empty body. Fails as request() does, with timeout when nothing came for `silence`. When `sink`
  /// says false it has enough: the connection is closed, and that is no failure. It must not destroy the
  /// Client.
  void stream(const std::string& url, Headers headers, std::chrono::milliseconds silence, Sink sink,
              Done done);

 private:
  friend class Transfer;
  Context& context_;
  std::unordered_set<Transfer*> transfers_;  // each owns itself until its connection is closed
};

}  // namespace tocsin::http
