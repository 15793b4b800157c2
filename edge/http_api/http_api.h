#pragma once
// HttpApi: the HTTP side of the edge without its sockets (PROTOCOL.md section 6). edge/net hands it whole
// requests, and bodies of POST /v1/updates piece by piece; the WebSocket and SSE paths never come here.
//
// Invariant: each request gets exactly one reply, in this call or on a later turn; a refused publish left
// nothing behind. Thread: the loop.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/auth/admin_door.h"
#include "common/clock.h"
#include "common/net/ip.h"
#include "edge/broker_port.h"
#include "edge/config.h"
#include "edge/monitoring/profiles.h"

namespace tocsin::edge {

class Drain;
class Gate;
class Limits;

struct HttpRequest {
  std::string method;
  std::string path;   ///< without the query, still percent-encoded
  std::string query;  ///< after '?', raw
  std::string content_type;
  std::string authorization;
  std::string token;  ///< from it, or from the query, which is then without it
  std::string accept;
  std::string traceparent;  ///< of a POST
  std::string body;         ///< empty when the body comes through an Upload
  net::IpAddress from;      ///< the client's, behind whatever proxies are trusted
  bool secure = false;      ///< the client speaks TLS, with this edge or its proxy
  bool local = false;       ///< for /admin/: from this host, and not a browser's on behalf of another site
};

struct HttpReply {
  std::uint16_t status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string body;
};

/// Takes a body in pieces, so that a long NDJSON stream needs no memory of its size. Destroying it before
/// finish() gives the request up (the socket died): lines already forwarded are published, no reply follows.
class Upload {
 public:
  virtual ~Upload() = default;
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  /// The next bytes. False: the request failed, its reply is given or on the way; feed nothing more.
  virtual bool feed(std::string_view bytes) = 0;
  /// The body is complete.
  virtual void finish() = 0;
  /// True while so much waits for the broker that the socket should not be read.
  [[nodiscard]] virtual bool full() const = 0;

 protected:
  Upload() = default;
};

class HttpApi {
 public:
  using Reply = std::function<void(HttpReply)>;
  /// Facts of the process that this layer does not own.
  struct Sources {
    std::function<std::string()> not_ready_reason;  ///< empty: ready
    std::function<std::string()> metrics_text;
    std::function<std::size_t()> clients;
    /// ready | cordoned | ...: how the edge stands to new clients; anything but ready is told to everybody.
    std::function<std::string_view()> state = [] { return std::string_view("ready"); };
    /// For ?detailed=true.
    struct Figures {
      std::string_view version;
      Millis uptime{0};
      std::int64_t now_ms = 0;   ///< wall clock
      std::uint32_t load = 0;    ///< permille
      double tls_days_left = 0;  ///< NaN without TLS
    };
    std::function<Figures()> figures = {};
    /// The counts under other names (edge/monitoring/profiles.h). Absent: under our own only.
    std::function<Result<Exposition>(std::string_view profiles)> expose{};
  };
  /// What /admin/status says of the process.
  struct Facts {
    std::string_view state, revision, endpoint;
    std::size_t clients = 0;
    std::uint32_t load = 0, take_per_s = 0;
    std::string link_key{}, broker_key{};  ///< public CURVE keys of the link, while it is up
    std::int64_t started_ms = 0;           ///< wall clock: tells this process from the one before
  };
  struct Admin {
    Drain& drain;
    const auth::AdminDoor& door;
    std::function<Facts()> facts;
    /// Reads the settings again: what that did, as JSON, or why nothing was changed.
    std::function<Result<std::string>()> reload;
    std::function<std::vector<link::Revocation>()> revocations = [] {
      return std::vector<link::Revocation>();
    };
  };

  HttpApi(const Config& config, const Clock& clock, BrokerPort& broker, Sources sources);
  ~HttpApi();
  HttpApi(const HttpApi&) = delete;
  HttpApi& operator=(const HttpApi&) = delete;

  /// From now on /v1/ asks for tokens, unless the gate is open.
  void guard(const Gate& gate) noexcept;
  /// From now on publishes are metered.
  void limit(Limits& limits) noexcept;
  /// From now on /admin/ is answered.
  void attach(Admin admin);
  /// Answers a request whose body is in `request.body`.
  void handle(const HttpRequest& request, Reply reply);
  /// A path of health: answered whatever else is refused, and without TLS where all else is redirected.
  [[nodiscard]] bool is_health(std::string_view path) const;
  /// True when the request's body should come through upload() instead (POST /v1/updates).
  [[nodiscard]] bool takes_upload(const HttpRequest& request) const;
  /// Starts a publish whose body follows.
  [[nodiscard]] std::unique_ptr<Upload> upload(const HttpRequest& request, Reply reply);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A problem+json reply (RFC 9457) with code, status, detail, retry.
[[nodiscard]] HttpReply problem(const Error& error);

}  // namespace tocsin::edge
