#pragma once
// AdminApi: /admin/ of an edge - cordon, drain, migrate, plan, status, report reload (ops/reference and
// README say how). Only whom the AdminDoor lets in is heard: viewers for what is read, operators for what is
// ordered.
//
// Invariant: nothing changes before the caller is known and the whole order understood. Thread: the loop.
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "edge/broker_port.h"
#include "edge/config.h"
#include "edge/drain/drain.h"
#include "edge/http_api/http_api.h"

namespace tocsin::edge {

class AdminApi {
 public:
  AdminApi(const Config& config, const Clock& clock, BrokerPort& broker, HttpApi::Admin admin)
      : config_(config), clock_(clock), broker_(broker), admin_(std::move(admin)) {}

  /// `path` without /admin/.
  [[nodiscard]] HttpReply handle(const HttpRequest& request, std::string_view path) const;
  /// /admin/revoke, answered when the broker keeps it and every edge was told.
  void revoke(const HttpRequest& request, HttpApi::Reply reply) const;
  /// From now on a token that permits to administer everything makes an operator, unless the gate is open.
  void guard(const Gate& gate) noexcept { gate_ = &gate; }
  /// Who asks for `what`, if his role is enough. Fails with unauthorized or forbidden, and the audit log has
  /// it.
  [[nodiscard]] Result<auth::Administrator> admit(const HttpRequest& request, std::string_view what,
                                                  auth::Role needed) const;

 private:
  /// Whom the door lets in, else whom a client's token does.
  [[nodiscard]] Result<auth::Administrator> who(const HttpRequest& request, auth::Role needed) const;
  [[nodiscard]] HttpReply post(const HttpRequest& request, std::string_view path) const;
  [[nodiscard]] HttpReply start(const HttpRequest& request, MoveKind kind) const;
  [[nodiscard]] HttpReply plan(const HttpRequest& request) const;
  [[nodiscard]] HttpReply report() const;
  [[nodiscard]] std::string status() const;

  const Config& config_;
  const Clock& clock_;
  BrokerPort& broker_;
  const HttpApi::Admin admin_;
  const Gate* gate_ = nullptr;
};

/// The order in a body of POST /admin/drain or /admin/migrate. Fails with invalid_argument.
[[nodiscard]] Result<MoveOrder> parse_order(MoveKind kind, std::string_view body);

}  // namespace tocsin::edge
