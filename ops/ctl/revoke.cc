#include "ops/ctl/revoke.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "common/crypto/crypto.h"
#include "common/file.h"
#include "common/json/json.h"
#include "ops/ctl/api.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"
#include "ops/ctl/supervisor_client.h"

namespace tocsin::ops {
namespace {

Error usage(std::string why) { return {Errc::invalid_argument, std::move(why)}; }

/// What the payload of a token says; nobody is asked whether it is good.
struct Said {
  std::string token_id;
  std::uint64_t expires_s = 0;
};
Result<Said> said_by(const std::string& path) {
  const auto token = read_secret(path);
  if (!token) return usage("--token: " + token.error().detail);
  const auto first = token->find('.');
  const auto second = first == std::string::npos ? first : token->find('.', first + 1);
  const auto payload = second == std::string::npos
                           ? Result<std::string>(usage("no token"))
                           : crypto::base64url_decode(token->substr(first + 1, second - first - 1));
  const auto doc = payload ? json::parse(*payload) : Result<json::Document>(payload.error());
  if (!doc || !doc->IsObject()) return usage("--token: " + path + " holds no token");
  const auto id = json::string_member(*doc, "jti");
  if (!id || !*id || (*id)->empty())
    return usage("--token: this one has no \"jti\" to be revoked by; revoke its --subject");
  Said said{std::string(**id), 0};
  if (const auto* end = json::find(*doc, "exp"); end != nullptr && end->IsNumber() && end->GetDouble() > 0)
    said.expires_s = static_cast<std::uint64_t>(end->GetDouble());
  return said;
}

/// 30d too, beside what parse_duration() takes.
Result<std::int64_t> seconds_of(const std::string& text) {
  const bool days = text.ends_with('d');
  const auto lasts = parse_duration(days ? text.substr(0, text.size() - 1) + "h" : text);
  if (!lasts || lasts->count() < 1'000) return usage("--for is a time such as 90s, 12h or 30d");
  return lasts->count() / 1'000 * (days ? 24 : 1);
}

void append_names(std::string& out, const char* member, const std::vector<std::string>& names) {
  if (names.empty()) return;
  out.append(out.size() > 1 ? ",\"" : "\"").append(member).append("\":[");
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out.push_back(',');
    json::append_quoted(out, names[i]);
  }
  out.push_back(']');
}

Result<std::string> order_of(const RevokeOptions& options) {
  auto ids = options.token_ids;
  std::string end;
  if (!options.token.empty()) {
    const auto said = said_by(options.token);
    if (!said) return said.error();
    ids.push_back(said->token_id);
    if (said->expires_s > 0) end = ",\"until\":" + std::to_string(said->expires_s + 600);  // any leeway
  }
  if (ids.empty() && options.subjects.empty())
    return usage("say what to revoke: --token-id, --subject or --token FILE");
  if (!options.lasts.empty()) {
    const auto lasts = seconds_of(options.lasts);
    if (!lasts) return lasts.error();
    end = ",\"for_s\":" + std::to_string(*lasts);
  }
  const auto bad = [](const std::string& name) { return name.empty() || !json::valid_utf8(name); };
  if (std::any_of(ids.begin(), ids.end(), bad) ||
      std::any_of(options.subjects.begin(), options.subjects.end(), bad))
    return usage("a name is empty or not UTF-8");
  std::string order = "{";
  append_names(order, "token_ids", ids);
  append_names(order, "subjects", options.subjects);
  return order + end + "}";
}

/// At the edge of --edge-http, or at the first of the cluster that answers.
Result<std::string> ask(const RevokeOptions& options, const std::string& method, const std::string& path,
                        const std::string& body) {
  if (!options.edge_http.empty()) {
    const auto token = options.admin_token_file.empty() ? Result<std::string>(std::string())
                                                        : read_secret(options.admin_token_file);
    if (!token) return usage("--admin-token-file: " + token.error().detail);
    const bool tls = options.edge_http.starts_with("https:");
    Api api(ClusterFile{}, {tls ? http::Trust::In::authorities : http::Trust::In::nobody, options.ca});
    auto answer = api.fetch(method, options.edge_http + path, bearer(*token), body);
    if (!answer) return answer.error();
    if (answer->status >= 400) return problem_of(*answer);
    return std::move(answer->body);
  }
  auto client = SupervisorClient::open(options.cluster, options.ca);
  if (!client) return client.error();
  Error last{Errc::unavailable, "the cluster has no edges"};
  for (const auto& edge : (*client)->cluster().edges) {
    auto answer = (*client)->edge(edge, method, path, body);
    if (answer || (answer.error().code != Errc::unavailable && answer.error().code != Errc::timeout))
      return answer;
    last = answer.error();
  }
  return last;
}

int show(const std::string& body) {
  const auto doc = json::parse(body);
  const json::Value* list = doc ? json::find(*doc, "revocations") : nullptr;
  if (list == nullptr || !list->IsArray()) return complain("the edge's answer is no list", kExitFailure);
  for (const auto& one : list->GetArray()) {
    const auto id = json::string_member(one, "token_id");
    const auto subject = json::string_member(one, "subject");
    const auto until = json::uint_member(one, "until_ms");
    const bool token = id && *id;
    std::printf("%-8s %s  until %llu\n", token ? "token" : "subject",
                std::string(token                 ? **id
                            : subject && *subject ? **subject
                                                  : "?")
                    .c_str(),
                static_cast<unsigned long long>(until ? until->value_or(0) / 1'000 : 0));
  }
  if (list->Empty()) std::puts("nothing is revoked");
  return kExitOk;
}

}  // namespace

int run_revoke(const RevokeOptions& options) {
  if (options.list) {
    const auto body = ask(options, "GET", "/admin/revocations", {});
    if (!body) return complain_move(body.error());
    return options.json ? (std::puts(body->c_str()), kExitOk) : show(*body);
  }
  const auto order = order_of(options);
  if (!order) return complain(order.error());
  const auto done = ask(options, "POST", "/admin/revoke", *order);
  if (!done) return complain_move(done.error());
  if (options.json)
    std::puts(done->c_str());
  else
    std::puts("revoked: every edge was told, and those that come later will be");
  return kExitOk;
}

void add_revoke(CLI::App& app, RevokeLine& line) {
  RevokeOptions& o = line.options;
  auto* revoke = app.add_subcommand("revoke", "Take tokens back before they expire, on every edge at once");
  revoke->add_option("--token-id", o.token_ids, "A token's \"jti\"; repeatable");
  revoke->add_option("--subject", o.subjects,
                     "All tokens of this subject that were issued up to now; repeatable");
  revoke->add_option("--token", o.token, "File with the token itself: its \"jti\", until it expires")
      ->check(CLI::ExistingFile);
  revoke->add_option("--for", o.lasts, "At least as long as such tokens last: 12h, 30d (30d)");
  revoke->add_flag("--list", o.list, "What is revoked at the moment");
  revoke->add_option("--edge-http", o.edge_http, "Ask this edge, without a cluster.json: http://host:port");
  revoke->add_option("--admin-token-file", o.admin_token_file, "The admin token for --edge-http")
      ->check(CLI::ExistingFile);
  revoke->add_option("--cluster", o.cluster, "cluster.json to use");
  revoke->add_option("--ca", o.ca, "PEM file with the authorities that an edge's certificate may be from")
      ->check(CLI::ExistingFile);
  revoke->add_flag("--json", o.json, "JSON for machines");
  revoke->callback([&line] {
    RevokeOptions& options = line.options;
    if (options.cluster.empty()) options.cluster = line.common->cluster;
    if (options.ca.empty()) options.ca = line.common->ca;
    options.json = options.json || line.common->json;
    *line.exit_code = run_revoke(options);
  });
}

}  // namespace tocsin::ops
