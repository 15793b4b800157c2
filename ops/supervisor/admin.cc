#include "ops/supervisor/admin.h"

#include "common/crypto/crypto.h"
#include "common/json/json.h"
#include "common/version.h"

namespace tocsin::ops {
namespace {

http::Response problem(Errc code, std::string_view detail) {
  const ErrcInfo& info = describe(code);
  http::Response response;
  response.status = info.wire_code;
  response.content_type = "application/problem+json";
  response.body = "{\"code\":" + json::quoted(info.name) + ",\"status\":" + std::to_string(info.wire_code) +
                  ",\"detail\":" + json::quoted(detail) +
                  ",\"retry\":" + (info.retry == Retry::never ? "\"never\"" : "\"backoff\"") + "}";
  return response;
}

http::Response json_of(std::string body, std::uint16_t code = 200) {
  http::Response response;
  response.status = code;
  response.body = std::move(body);
  return response;
}

}  // namespace

Admin::Admin(http::Context& context, loop::Loop& loop, Metrics& metrics, std::string token)
    : context_(context), metrics_(metrics), token_(std::move(token)), client_(context), timer_(loop) {}

Status Admin::listen(const std::string& address, std::uint16_t port) {
  auto server = http::Server::listen(
      context_, address, port,
      [this](const http::Request& request, const http::Responder& respond) { respond(answer(request)); });
  if (!server) return server.error();
  server_ = *std::move(server);
  return Done{};
}

void Admin::serve(Cluster& cluster) {
  cluster_ = &cluster;
  timer_.start(std::chrono::milliseconds{100}, kCheck, [this] { check_edges(); });
}

void Admin::check_edges() {
  for (const SupervisedProcess* process : cluster_->processes()) {
    const std::string name = process->spec().name;
    if (name == "broker") continue;
    if (process->state() != SupervisedProcess::State::ready) {
      edges_[name] = {false, "the process is " + std::string(to_text(process->state()))};
      continue;
    }
    client_.get(process->info().http + "/health/ready", kCheck * 2, [this, name](Result<http::Response> got) {
      edges_[name] = got ? Readiness{got->status == 200, got->status == 200 ? "" : got->body}
                         : Readiness{false, got.error().detail};
    });
  }
  count();
}

void Admin::count() {
  std::int64_t all = 0, ready = 0, edges = 0;
  for (const SupervisedProcess* process : cluster_->processes()) {
    ++all;
    ready += process->state() == SupervisedProcess::State::ready ? 1 : 0;
  }
  for (const auto& [name, state] : edges_) edges += state.ready ? 1 : 0;
  metrics_.processes.set(all);
  metrics_.processes_ready.set(ready);
  metrics_.edges_ready.set(edges);
}

bool Admin::allowed(const http::Request& request) const {
  const auto given = http::find(request.headers, "authorization");
  return given.starts_with("Bearer ") && crypto::constant_time_equal(given.substr(7), token_);
}

http::Response Admin::answer(const http::Request& request) {
  const bool ready = cluster_ != nullptr && cluster_->all_ready();
  if (request.method != "GET" && request.method != "HEAD")
    return problem(Errc::method_not_allowed, request.method);
  if (request.path == "/health/live") return json_of("{\"status\":\"live\"}");
  if (request.path == "/health" || request.path == "/health/ready")
    return json_of(ready ? "{\"status\":\"ready\"}" : "{\"status\":\"not ready\"}", ready ? 200 : 503);
  if (request.path == "/metrics") {
    http::Response response;
    response.content_type = "text/plain; version=0.0.4";
    response.body = metrics_.registry.prometheus_text();
    return response;
  }
  if (request.path != "/status") return problem(Errc::not_found, request.path);
  if (!allowed(request)) {
    metrics_.refused.add();
    return problem(Errc::unauthorized,
                   "send Authorization: Bearer with the token of admin.token in the cluster's folder");
  }
  return cluster_ == nullptr ? problem(Errc::unavailable, "the supervisor is starting") : status();
}

http::Response Admin::status() const {
  std::string out = "{\"ready\":";
  out += cluster_->all_ready() ? "true" : "false";
  out += ",\"version\":" + json::quoted(version()) + ",\"processes\":[";
  for (const SupervisedProcess* process : cluster_->processes()) {
    const auto id = process->id();
    if (out.back() != '[') out += ',';
    out += "{\"name\":" + json::quoted(process->spec().name) +
           ",\"pid\":" + std::to_string(id ? id->pid : 0) +
           ",\"state\":" + json::quoted(to_text(process->state())) +
           ",\"restarts\":" + std::to_string(process->restarts()) +
           ",\"http\":" + json::quoted(process->info().http);
    if (!process->last_end().empty()) out += ",\"last_end\":" + json::quoted(process->last_end());
    if (const auto edge = edges_.find(process->spec().name); edge != edges_.end()) {
      out += ",\"ready\":" + std::string(edge->second.ready ? "true" : "false");
      if (!edge->second.detail.empty()) out += ",\"detail\":" + json::quoted(edge->second.detail);
    }
    out += '}';
  }
  return json_of(out + "],\"cluster\":" + cluster_->file().to_json() + "}");
}

}  // namespace tocsin::ops
