// The part of Admin that changes the cluster: orders, plans, cordons, maintenance.
#include "common/json/members.h"
#include "ops/cluster/members.h"
#include "ops/supervisor/admin.h"

namespace tocsin::ops {
namespace {

http::Response refusal(const Error& error) { return problem(error.code, error.detail); }

http::Response json_of(std::string body, std::uint16_t status) {
  http::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Result<json::Document> body_of(const http::Request& request) {
  auto document = json::parse(request.body.empty() ? "{}" : request.body);
  if (!document) return Error{Errc::invalid_argument, "the body is no JSON: " + document.error().detail};
  if (!document->IsObject()) return Error{Errc::invalid_argument, "the body must be a JSON object"};
  return document;
}

bool scales_to_nothing(const json::Value& body) {
  const auto edges = json::uint_member(body, "edges");
  return edges && edges->value_or(0) == 0;
}

}  // namespace

std::string Admin::report_of(const Move& move) const {
  return move.record().report_json(move.waits(), site_->wall_ms());
}

http::Response Admin::plans() const {
  std::string out = "{\"plans\":[";
  for (const auto& move : site_->moves().all()) {
    if (out.back() != '[') out += ',';
    out += report_of(*move);
  }
  return json_of(out + "]}", 200);
}

http::Response Admin::plan(const std::string& id) const {
  const Move* move = site_->moves().find(id);
  if (move == nullptr) return problem(Errc::not_found, "there is no plan \"" + id + "\"");
  return json_of(report_of(*move), 200);
}

http::Response Admin::start(Order order) {
  const auto move = site_->moves().start(std::move(order));
  if (!move) return refusal(move.error());
  const std::string id = (*move)->record().id;
  site_->tick();
  const Move* started = site_->moves().find(id);
  return started == nullptr ? problem(Errc::internal, "the plan is gone") : json_of(report_of(*started), 202);
}

http::Response Admin::abort(const std::string& id) {
  Move* move = site_->moves().find(id);
  if (move == nullptr) return problem(Errc::not_found, "there is no plan \"" + id + "\"");
  if (auto called_off = move->abort("it was called off"); !called_off) return refusal(called_off.error());
  site_->tick();
  return plan(id);
}

http::Response Admin::maintenance(const json::Value& body) {
  const auto on = json::bool_member(body, "on");
  if (!on || !*on) return refusal(json::bad_member("on", "must be true or false"));
  if (auto set = site_->set_maintenance(**on); !set) return refusal(set.error());
  return json_of(std::string("{\"maintenance\":") + (**on ? "true" : "false") + "}", 200);
}

void Admin::cordon(const std::string& edge, bool on, const http::Responder& respond) {
  for (const auto& move : site_->moves().all())
    if (!move->ended() && move->concerns(edge))
      return respond(problem(Errc::conflict, "a move is under way: " + move->record().id +
                                                 "; wait for it or call it off (tocsinctl drain abort " +
                                                 move->record().id + ")"));
  site_->set_cordon(edge, on, [respond, edge, on](const Result<Site::Told>& told) {
    if (!told) return respond(refusal(told.error()));
    std::string said;
    Members(said).text("edge", edge).flag("cordoned", on).end();
    respond(json_of(said, *told == Site::Told::now ? 200 : 202));
  });
}

http::Response Admin::order(const Path& path, const json::Value& body) {
  Order order;
  auto pace = parse_pace(body);
  if (!pace) return refusal(pace.error());
  order.pace = *std::move(pace);
  const auto number = [&](std::string_view name) -> std::uint64_t {
    const auto given = json::uint_member(body, name);
    return given ? given->value_or(0) : 0;
  };
  if (path.size() == 3 && path[0] == "edges" && (path[2] == "drain" || path[2] == "migrate")) {
    order.kind = path[2] == "drain" ? MoveKind::drain : MoveKind::migrate;
    order.edge = path[1];
    if (order.kind == MoveKind::migrate) order.count = number("count");
  } else if (path == Path{"rebalance"}) {
    order.kind = MoveKind::rebalance;
  } else if (path == Path{"scale"}) {
    if (const auto can = site_->can_scale(); !can) return refusal(can.error());
    order.kind = MoveKind::scale;
    order.count = number("edges");
  } else if (path == Path{"restart"}) {
    order.kind = MoveKind::restart;
    auto release = site_->next_release(body);
    if (!release) return refusal(release.error());
    order.release = *std::move(release);
  } else {
    return problem(Errc::not_found, "there is no such thing to do");
  }
  return start(std::move(order));
}

void Admin::reload(const json::Value& body, const http::Responder& respond) {
  if (reloads_ == nullptr)
    return respond(problem(Errc::not_found,
                           "the processes are not run from here: send each a SIGHUP, or POST /admin/reload"));
  const auto process = json::string_member(body, "process");
  if (!process) return respond(refusal(process.error()));
  const auto started =
      reloads_->start("POST /reload", std::string(process->value_or("")),
                      [respond](std::string said) { respond(json_of(std::move(said), 200)); });
  if (!started) respond(refusal(started.error()));
}

void Admin::change(const http::Request& request, const Path& path, const http::Responder& respond) {
  const auto body = body_of(request);
  if (!body) return respond(refusal(body.error()));
  if (path.size() == 3 && path[0] == "plans" && path[2] == "abort") return respond(abort(path[1]));
  const bool grave = path == Path{"restart"} || (path == Path{"scale"} && scales_to_nothing(*body));
  if (grave)
    if (auto ok = allowed(request, auth::Role::admin); !ok) return respond(http::problem(ok.error()));
  if (path == Path{"reload"}) return reload(*body, respond);
  if (path == Path{"maintenance"}) return respond(maintenance(*body));
  const bool cordons =
      path.size() == 3 && path[0] == "edges" && (path[2] == "cordon" || path[2] == "uncordon");
  if (cordons) return cordon(path[1], path[2] == "cordon", respond);
  respond(order(path, *body));
}

}  // namespace tocsin::ops
