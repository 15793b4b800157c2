#pragma once
// Admin: the supervisor's HTTP API on loopback. /health* (common/health), /metrics for everybody on the
// machine; all else for whom the AdminDoor lets in: the holder of the token in the cluster's folder
// (admin.token) is an admin, admin.roles_file and admin.loopback say who else there is. GET is for viewers,
// POST for operators; what runs other programs or takes the last edge away is for admins:
//
//   GET  /status                                            processes, edges, running plans, maintenance
//   POST /edges/{id}/drain       {"targets","exclude","batch","rate","deadline_ms"}: each may be absent
//   POST /edges/{id}/migrate     {"count", ... as for a drain}
//   POST /edges/{id}/cordon      POST /edges/{id}/uncordon
//   POST /rebalance {rate..}     POST /scale {"edges":4}    POST /restart {"programs","config"}
//   POST /maintenance {"on":true}                           POST /reload {"process":"edge-0"}: absent: all
//   GET  /plans    GET /plans/{id}    POST /plans/{id}/abort     202 and the plan's report
//
// Invariant: a request never blocks the loop. Thread: the supervisor's loop.
#include <memory>
#include <string>
#include <vector>

#include "common/auth/admin_door.h"
#include "common/http/server.h"
#include "ops/supervisor/metrics.h"
#include "ops/supervisor/reloads.h"
#include "ops/supervisor/site.h"

namespace tocsin::ops {

class Admin {
 public:
  Admin(http::Context& context, Metrics& metrics, const auth::AdminDoor& door)
      : context_(context), metrics_(metrics), door_(door) {}

  /// Listens; from now on requests are answered, with 503 until serve() is called. Fails with io when the
  /// port is taken.
  [[nodiscard]] Status listen(const std::string& address, std::uint16_t port);
  /// `reloads`: null where this process does not run the others.
  void serve(Site& site, Reloads* reloads) {
    site_ = &site;
    reloads_ = reloads;
  }
  [[nodiscard]] std::uint16_t port() const noexcept { return server_->port(); }

 private:
  using Path = std::vector<std::string>;  ///< its segments

  void answer(const http::Request& request, const http::Responder& respond);
  [[nodiscard]] http::Response health(const http::Request& request) const;
  [[nodiscard]] http::Response read(const http::Request& request, const Path& path);
  void change(const http::Request& request, const Path& path, const http::Responder& respond);
  [[nodiscard]] Status allowed(const http::Request& request, auth::Role needed);

  // admin_moves.cc
  [[nodiscard]] http::Response plans() const;
  [[nodiscard]] http::Response plan(const std::string& id) const;
  [[nodiscard]] http::Response start(Order order);
  [[nodiscard]] http::Response abort(const std::string& id);
  [[nodiscard]] http::Response order(const Path& path, const json::Value& body);
  [[nodiscard]] http::Response maintenance(const json::Value& body);
  void cordon(const std::string& edge, bool on, const http::Responder& respond);
  void reload(const json::Value& body, const http::Responder& respond);
  [[nodiscard]] std::string report_of(const Move& move) const;

  http::Context& context_;
  Metrics& metrics_;
  const auth::AdminDoor& door_;
  Site* site_ = nullptr;
  Reloads* reloads_ = nullptr;
  std::unique_ptr<http::Server> server_;
};

/// A refusal as problem+json.
[[nodiscard]] http::Response problem(Errc code, std::string_view detail);

}  // namespace tocsin::ops
