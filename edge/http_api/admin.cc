#include "edge/http_api/admin.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "common/json/json.h"
#include "common/json/members.h"
#include "common/log/audit.h"
#include "edge/auth/gate.h"
#include "edge/codec/query.h"
#include "edge/http_api/revoking.h"

namespace tocsin::edge {
namespace {

using json::bad_member;

constexpr std::uint64_t kMaxDeadline = 86'400'000;
constexpr std::uint64_t kMaxRate = 1'000'000;
constexpr std::uint64_t kMaxCount = 100'000'000;
constexpr std::size_t kMaxName = 128;
constexpr std::size_t kMaxNames = 1'000;

HttpReply reply_of(std::uint16_t status, std::string body) {
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  reply.headers.emplace_back("cache-control", "no-store");
  return reply;
}

void member(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":");
  json::append_quoted(out, value);
}

void number(std::string& out, std::string_view name, std::uint64_t value) {
  out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":").append(std::to_string(value));
}

std::string edge_json(const link::EdgeInfo& edge) {
  std::string out = "{";
  member(out, "id", edge.id);
  member(out, "endpoint", edge.endpoint);
  member(out, "revision", edge.revision);
  member(out, "state", edge.state);
  number(out, "clients", edge.clients);
  number(out, "clients_max", edge.clients_max);
  number(out, "take_per_s", edge.take_per_s);
  number(out, "load", edge.load);
  number(out, "weight", edge.weight);
  return out.append("}");
}

std::string plan_json(const Drain::Plan& plan) {
  std::string out = "{";
  number(out, "clients", plan.clients);
  number(out, "rate_per_s", static_cast<std::uint64_t>(std::llround(plan.rate)));
  number(out, "expected_ms", static_cast<std::uint64_t>(plan.expected.count()));
  out.append(",\"targets\":[");
  double rates = 0;
  for (const auto& target : plan.targets) rates += target.rate;
  for (bool first = true; const auto& target : plan.targets) {
    if (!std::exchange(first, false)) out.push_back(',');
    const double share = rates > 0 ? target.rate / rates : 1.0 / static_cast<double>(plan.targets.size());
    std::string one = "{";
    member(one, "edge", target.id);
    one.append(",\"share\":").append(std::to_string(share));
    number(one, "weight", target.weight);
    number(one, "take_per_s", target.take_per_s);
    number(one, "load", target.load);
    out.append(one).append("}");
  }
  return out.append("]}");
}

/// 0 when it is absent; when it is there, from 1 on unless `zero` means something.
Result<std::uint64_t> number_member(const json::Value& doc, std::string_view name, std::uint64_t least,
                                    std::uint64_t most) {
  const auto value = json::uint_member(doc, name);
  if (!value) return value.error();
  if (!*value) return std::uint64_t{0};
  if (**value < least || **value > most)
    return bad_member(name, "must be from " + std::to_string(least) + " to " + std::to_string(most));
  return **value;
}

Status names_member(const json::Value& doc, std::string_view name, std::vector<std::string>& out) {
  const auto* list = json::find(doc, name);
  if (list == nullptr || list->IsNull()) return Done{};
  if (!list->IsArray()) return bad_member(name, "must be a list of edges");
  if (list->Size() > kMaxNames) return bad_member(name, "is too long");
  for (const auto& item : list->GetArray()) {
    if (!item.IsString() || item.GetStringLength() == 0 || item.GetStringLength() > kMaxName)
      return bad_member(name, "must be a list of edges");
    out.emplace_back(json::view(item));
  }
  return Done{};
}

Status only_known(const json::Value& doc, MoveKind kind) {
  constexpr std::array<std::string_view, 6> kKnown{"id",    "deadline_ms", "rate",
                                                   "batch", "targets",     "exclude"};
  for (const auto& m : doc.GetObject()) {
    const auto name = json::view(m.name);
    const bool known = std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end() ||
                       (kind == MoveKind::migrate && name == "count");
    if (!known) return bad_member(name, "is not a member of this order");
  }
  return Done{};
}

}  // namespace

Result<MoveOrder> parse_order(MoveKind kind, std::string_view body) {
  MoveOrder order;
  order.kind = kind;
  if (body.empty()) body = "{}";
  const auto doc = json::parse(body);
  if (!doc) return doc.error();
  if (!doc->IsObject()) return Error{Errc::invalid_argument, "an order is a JSON object"};
  if (auto known = only_known(*doc, kind); !known) return known.error();
  if (auto s = json::take_text(*doc, "id", kMaxName, order.id); !s) return s.error();
  const auto deadline = number_member(*doc, "deadline_ms", 1, kMaxDeadline);
  if (!deadline) return deadline.error();
  const auto rate = number_member(*doc, "rate", 0, kMaxRate);
  if (!rate) return rate.error();
  const auto batch = number_member(*doc, "batch", 0, kMaxRate);
  if (!batch) return batch.error();
  const auto count = number_member(*doc, "count", 1, kMaxCount);
  if (!count) return count.error();
  if (kind == MoveKind::migrate && *count == 0) return bad_member("count", "is required");
  if (auto s = names_member(*doc, "targets", order.targets); !s) return s.error();
  if (auto s = names_member(*doc, "exclude", order.exclude); !s) return s.error();
  order.deadline = Millis{static_cast<std::int64_t>(*deadline)};
  order.rate = static_cast<std::uint32_t>(*rate);
  order.batch = static_cast<std::uint32_t>(*batch);
  order.count = static_cast<std::size_t>(*count);
  return order;
}

Result<auth::Administrator> AdminApi::who(const HttpRequest& request, auth::Role needed) const {
  auto asker = admin_.door.admit(request.authorization, request.local, needed);
  // From the header alone: an address with a token in it is written into logs and bookmarks.
  const bool may_be_token =
      std::count(request.authorization.begin(), request.authorization.end(), '.') == 2 &&
      request.authorization.ends_with(request.token);
  if (asker || gate_ == nullptr || gate_->open() || needed == auth::Role::admin || !may_be_token)
    return asker;
  const auto holder = gate_->admit(request.token);
  if (!holder) return holder.error();
  if (!(*holder)->permissions.allow_all(auth::Action::admin))
    return gate_->forbidden(auth::Action::admin, "this edge");
  return auth::Administrator{auth::Role::operate, (*holder)->subject};
}

Result<auth::Administrator> AdminApi::admit(const HttpRequest& request, std::string_view what,
                                            auth::Role needed) const {
  auto asker = who(request, needed);
  if (!asker)
    log::audit({.action = "admin",
                .outcome = describe(asker.error().code).name,
                .from = request.from.text(),
                .what = what,
                .why = asker.error().detail});
  return asker;
}

HttpReply AdminApi::handle(const HttpRequest& request, std::string_view path) const {
  const auth::Role needed = request.method == "GET" ? auth::Role::viewer : auth::Role::operate;
  const auto asker = admit(request, path, needed);
  if (!asker) return problem(asker.error());
  constexpr std::array<std::string_view, 6> kPosts{"cordon", "uncordon", "abort",
                                                   "drain",  "migrate",  "reload"};
  constexpr std::array<std::string_view, 4> kGets{"plan", "status", "report", "revocations"};
  const bool posts = std::find(kPosts.begin(), kPosts.end(), path) != kPosts.end();
  if (!posts && std::find(kGets.begin(), kGets.end(), path) == kGets.end())
    return problem(
        {Errc::not_found,
         "no such path; see /admin/cordon, uncordon, drain, migrate, abort, reload, plan, status, report, revoke, revocations"});
  if ((request.method == "POST") != posts || (!posts && request.method != "GET")) {
    HttpReply refused =
        problem({Errc::method_not_allowed, std::string("the path takes ") + (posts ? "POST" : "GET")});
    refused.headers.emplace_back("allow", posts ? "POST" : "GET");
    return refused;
  }
  if (posts) {
    HttpReply reply = post(request, path);
    log::audit({.action = path == "reload" ? "reload" : "admin",
                .outcome = reply.status < 400 ? "ok" : "refused",
                .who = asker->name,
                .from = request.from.text(),
                .what = path,
                .why = reply.status < 400 ? std::string_view() : std::string_view(reply.body)});
    return reply;
  }
  if (path == "plan") return plan(request);
  if (path == "report") return report();
  if (path == "revocations") return reply_of(200, revocations_json(admin_.revocations()));
  return reply_of(200, status());
}

void AdminApi::revoke(const HttpRequest& request, HttpApi::Reply reply) const {
  const auto asker = admit(request, "revoke", auth::Role::operate);
  if (!asker) return reply(problem(asker.error()));
  if (request.method != "POST") {
    HttpReply refused = problem({Errc::method_not_allowed, "the path takes POST"});
    refused.headers.emplace_back("allow", "POST");
    return reply(std::move(refused));
  }
  auto revocations = parse_revoke(request.body, clock_.wall_ms());
  if (!revocations) return reply(problem(revocations.error()));
  const std::size_t count = revocations->size();
  for (const auto& one : *revocations)
    log::audit({.action = "revoke",
                .outcome = "ok",
                .who = asker->name,
                .from = request.from.text(),
                .what = one.name,
                .why = {}});
  broker_.revoke(*std::move(revocations),
                 [reply = std::move(reply), count](const Result<link::RevokeAnswer>& answer) {
                   if (!answer) return reply(problem(answer.error()));
                   reply(reply_of(200, "{\"revoked\":" + std::to_string(count) + "}"));
                 });
}

HttpReply AdminApi::post(const HttpRequest& request, std::string_view path) const {
  if (path == "drain") return start(request, MoveKind::drain);
  if (path == "migrate") return start(request, MoveKind::migrate);
  if (!request.body.empty()) {
    const auto doc = json::parse(request.body);
    if (!doc) return problem(doc.error());
    if (!doc->IsObject() || doc->MemberCount() > 0)
      return problem({Errc::invalid_argument, "this order has no members"});
  }
  if (path == "reload") {
    const auto done = admin_.reload();
    return done ? reply_of(200, *done) : problem(done.error());
  }
  Drain& drain = admin_.drain;
  const auto done = path == "cordon" ? drain.cordon() : path == "uncordon" ? drain.uncordon() : drain.abort();
  return done ? reply_of(200, status()) : problem(done.error());
}

HttpReply AdminApi::start(const HttpRequest& request, MoveKind kind) const {
  auto order = parse_order(kind, request.body);
  if (!order) return problem(order.error());
  if (auto started = admin_.drain.start(*std::move(order)); !started) return problem(started.error());
  return reply_of(202, status());
}

HttpReply AdminApi::plan(const HttpRequest& request) const {
  const auto query = parse_query(request.query);
  if (!query) return problem(query.error());
  MoveOrder order;
  struct Part {
    std::string_view name;
    std::uint64_t most;
    std::uint64_t value = 0;
  };
  std::array<Part, 4> parts{
      {{"count", kMaxCount}, {"rate", kMaxRate}, {"batch", kMaxRate}, {"deadline_ms", kMaxDeadline}}};
  for (auto& part : parts) {
    const auto value = number_of(*query, part.name, 0);
    if (!value) return problem(value.error());
    const bool zero = *value == 0 && find(*query, part.name) != nullptr && part.name == "deadline_ms";
    if (*value > part.most || zero)
      return problem(bad_member(part.name, "must be from 1 to " + std::to_string(part.most)));
    part.value = *value;
  }
  order.count = static_cast<std::size_t>(parts[0].value);
  order.kind = order.count > 0 ? MoveKind::migrate : MoveKind::drain;
  order.rate = static_cast<std::uint32_t>(parts[1].value);
  order.batch = static_cast<std::uint32_t>(parts[2].value);
  order.deadline = Millis{static_cast<std::int64_t>(parts[3].value)};
  for (auto [name, list] : {std::pair{"targets", &order.targets}, std::pair{"exclude", &order.exclude}}) {
    const std::string* text = find(*query, name);
    if (text == nullptr) continue;
    for (std::size_t from = 0; from <= text->size();) {
      const auto comma = std::min(text->find(',', from), text->size());
      if (comma > from) list->push_back(text->substr(from, comma - from));
      from = comma + 1;
    }
  }
  const auto plan = admin_.drain.plan(order);
  return plan ? reply_of(200, plan_json(*plan)) : problem(plan.error());
}

HttpReply AdminApi::report() const {
  const MoveReport* report = admin_.drain.report();
  if (report == nullptr) return problem({Errc::not_found, "nothing was moved since this edge started"});
  return reply_of(200, report_json(*report));
}

std::string AdminApi::status() const {
  const HttpApi::Facts facts = admin_.facts();
  std::string out = "{";
  member(out, "edge", config_.id);
  member(out, "state", facts.state);
  member(out, "revision", facts.revision);
  member(out, "endpoint", facts.endpoint);
  number(out, "clients", facts.clients);
  number(out, "active_connections", facts.clients);
  number(out, "load", facts.load);
  number(out, "take_per_s", facts.take_per_s);
  number(out, "started_ms", static_cast<std::uint64_t>(facts.started_ms));
  if (!facts.link_key.empty()) {
    member(out, "link_key", facts.link_key);
    member(out, "broker_key", facts.broker_key);
  }
  out.append(",\"edges\":[");
  for (bool first = true; const auto& edge : broker_.edges()) {
    if (!std::exchange(first, false)) out.push_back(',');
    out.append(edge_json(edge));
  }
  out.append("],\"move\":");
  const MoveReport* report = admin_.drain.report();
  return out.append(report == nullptr ? "null" : report_json(*report)).append("}");
}

}  // namespace tocsin::edge
