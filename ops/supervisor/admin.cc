#include "ops/supervisor/admin.h"

#include <algorithm>

#include "common/json/json.h"
#include "common/log/audit.h"
#include "common/version.h"

namespace tocsin::ops {

http::Response problem(Errc code, std::string_view detail) {
  return http::problem({code, std::string(detail)});
}

namespace {

std::vector<std::string> segments_of(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    const auto end = std::min(path.find('/'), path.size());
    if (end > 0) out.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

http::Response json_of(std::string body, std::uint16_t code = 200) {
  http::Response response;
  response.status = code;
  response.body = std::move(body);
  return response;
}

}  // namespace

Status Admin::listen(const std::string& address, std::uint16_t port) {
  auto server = http::Server::listen(
      context_, address, port,
      [this](const http::Request& request, const http::Responder& respond) { answer(request, respond); });
  if (!server) return server.error();
  server_ = *std::move(server);
  return Done{};
}

Status Admin::allowed(const http::Request& request, auth::Role needed) {
  auto who = door_.admit(http::find(request.headers, "authorization"), request.local, needed);
  if (who && needed == auth::Role::viewer) return Done{};
  log::audit({.action = "admin",
              .outcome = who ? "ok" : describe(who.error().code).name,
              .who = who ? std::string_view(who->name) : std::string_view(),
              .from = {},
              .what = request.path,
              .why = who ? std::string_view() : std::string_view(who.error().detail)});
  if (who) return Done{};
  metrics_.refused.add();
  return who.error();
}

void Admin::answer(const http::Request& request, const http::Responder& respond) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (reads && request.path == "/health/live") return respond(json_of("{\"status\":\"live\"}"));
  if (reads && (request.path == "/health" || request.path == "/health/ready"))
    return respond(health(request));
  if (reads && request.path == "/metrics") {
    if (site_ != nullptr) site_->count(metrics_);
    http::Response response;
    response.content_type = "text/plain; version=0.0.4";
    response.body = metrics_.registry.prometheus_text();
    return respond(std::move(response));
  }
  if (!reads && request.method != "POST") return respond(problem(Errc::method_not_allowed, request.method));
  if (auto ok = allowed(request, reads ? auth::Role::viewer : auth::Role::operate); !ok)
    return respond(http::problem(ok.error()));
  if (site_ == nullptr) return respond(problem(Errc::unavailable, "the supervisor is starting"));
  if (const auto takes = site_->takes_orders(); !takes)
    return respond(problem(takes.error().code, takes.error().detail));
  const Path path = segments_of(request.path);
  if (reads) return respond(read(request, path));
  change(request, path, respond);
}

http::Response Admin::health(const http::Request& request) const {
  health::Checks checks;
  if (site_ == nullptr)
    checks.push_back({"state", "the supervisor is starting", health::Counts::health});
  else
    checks = site_->checks();
  const bool ready = health::ready(checks);
  std::string body = ready ? R"({"status":"ready")" : R"({"status":"not_ready")";
  health::append_reasons(body, checks);
  if (health::detailed(request.query)) {
    body += ",\"version\":" + json::quoted(version());
    if (site_ != nullptr) body += ",\"now_ms\":" + std::to_string(site_->wall_ms());
    health::append_checks(body, checks);
  }
  return json_of(body + "}", ready ? 200 : 503);
}

http::Response Admin::read(const http::Request& request, const Path& path) {
  if (path == Path{"status"}) return json_of(site_->status_json());
  if (path == Path{"plans"}) return plans();
  if (path.size() == 2 && path[0] == "plans") return plan(path[1]);
  return problem(Errc::not_found, request.path);
}

}  // namespace tocsin::ops
