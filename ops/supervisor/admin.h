#pragma once
// Admin: the supervisor's HTTP API on loopback. /health*, /metrics for everybody on the machine; /status for
// holders of the bearer token in the cluster's folder (admin.token). What changes the cluster will be added
// here, behind the token.
//
// Invariant: a request never blocks the loop; edges' readiness in /status is at most kCheck old. Thread: the
// supervisor's loop.
#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "common/http/client.h"
#include "common/http/server.h"
#include "common/loop/handles.h"
#include "ops/supervisor/cluster.h"
#include "ops/supervisor/metrics.h"

namespace tocsin::ops {

class Admin {
 public:
  static constexpr std::chrono::milliseconds kCheck{1'000};

  Admin(http::Context& context, loop::Loop& loop, Metrics& metrics, std::string token);

  /// Listens; from now on requests are answered, with 503 until serve() is called. Fails with io when the
  /// port is taken.
  [[nodiscard]] Status listen(const std::string& address, std::uint16_t port);
  void serve(Cluster& cluster);
  [[nodiscard]] std::uint16_t port() const noexcept { return server_->port(); }

 private:
  struct Readiness {
    bool ready = false;
    std::string detail = "not asked yet";
  };
  [[nodiscard]] http::Response answer(const http::Request& request);
  [[nodiscard]] http::Response status() const;
  [[nodiscard]] bool allowed(const http::Request& request) const;
  void check_edges();
  void count();

  http::Context& context_;
  Metrics& metrics_;
  std::string token_;
  Cluster* cluster_ = nullptr;
  std::map<std::string, Readiness> edges_;
  std::unique_ptr<http::Server> server_;
  http::Client client_;
  loop::Timer timer_;
};

}  // namespace tocsin::ops
