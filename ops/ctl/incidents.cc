#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "common/http/url.h"
#include "common/json/json.h"
#include "ops/ctl/api.h"
#include "ops/ctl/commands.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/filter_args.h"
#include "ops/ctl/update_view.h"

namespace tocsin::ops {
namespace {

constexpr std::uint64_t kPage = 200;

/// The filter as query members: lists joined by commas, labels as labels.<name>.
std::string query_of(const Filter& filter) {
  std::string out;
  const auto add = [&](std::string_view name, const std::vector<std::string>& values) {
    if (values.empty()) return;
    std::string joined;
    for (const std::string& value : values) joined += (joined.empty() ? "" : ",") + value;
    out += "&" + std::string(name) + "=" + http::percent_encode(joined);
  };
  add("severity", filter.severity);
  add("status", filter.status);
  add("category", filter.category);
  add("source", filter.source);
  add("environment", filter.environment);
  add("team", filter.team);
  add("incident", filter.incident);
  for (const auto& [name, values] : filter.labels) add("labels." + http::percent_encode(name), values);
  if (filter.active) out += "&active=true";
  return out;
}

Colour colour_of_stdout() { return ::isatty(STDOUT_FILENO) == 1 ? Colour::on : Colour::off; }

int show_one(Api& api, const IncidentsOptions& options) {
  const auto body = api.get("/v1/incidents/" + http::percent_encode(options.id) +
                            "?channel=" + http::percent_encode(options.channel));
  if (!body) return complain(body.error());
  if (options.json) return std::puts(body->c_str()), kExitOk;
  const auto document = json::parse(*body);
  if (!document) return complain(document.error());
  const json::Value* inner = json::find(*document, "incident");
  const json::Value& incident = inner != nullptr ? *inner : static_cast<const json::Value&>(*document);
  std::puts(incident_line(incident, colour_of_stdout()).c_str());
  if (!incident.IsObject()) return kExitOk;
  for (const auto& member : incident.GetObject()) {
    const std::string value =
        member.value.IsString() ? std::string(json::view(member.value)) : json::text(member.value);
    std::printf("  %-18s %s\n", printable(json::view(member.name), 40).c_str(),
                printable(value, 400).c_str());
  }
  return kExitOk;
}

}  // namespace

int run_incidents(const IncidentsOptions& options) {
  const auto filter = parse_filter_words(options.filter);
  if (!filter) return complain(filter.error());
  auto file = open_cluster(options.cluster);
  if (!file) return complain(file.error().detail, kExitUnavailable);
  const http::Trust trust = trust_for(*file, options.ca);
  auto token = token_for(options.token_file);
  if (!token) return complain(token.error());
  Api api(*std::move(file), trust, *std::move(token));
  if (!options.id.empty()) return show_one(api, options);

  std::uint64_t shown = 0;
  std::string cursor;
  do {
    const std::uint64_t limit = options.limit == 0 ? kPage : std::min(kPage, options.limit - shown);
    const auto body = api.get("/v1/incidents?channel=" + http::percent_encode(options.channel) +
                              query_of(*filter) + "&limit=" + std::to_string(limit) +
                              (cursor.empty() ? "" : "&cursor=" + http::percent_encode(cursor)));
    if (!body) return complain(body.error());
    const auto document = json::parse(*body);
    if (!document) return complain(document.error());
    const json::Value* rows = json::find(*document, "incidents");
    if (rows == nullptr || !rows->IsArray())
      return complain("the edge's answer has no incidents", kExitFailure);
    for (const json::Value& incident : rows->GetArray()) {
      std::puts((options.json ? json::text(incident) : incident_line(incident, colour_of_stdout())).c_str());
      ++shown;
    }
    const auto next = json::string_member(*document, "cursor");
    cursor = next && *next ? std::string(**next) : std::string();
  } while (!cursor.empty() && (options.limit == 0 || shown < options.limit));
  if (!cursor.empty() && !options.json)
    std::fprintf(stderr, "(the first %llu; --limit 0 shows all)\n", static_cast<unsigned long long>(shown));
  return kExitOk;
}

}  // namespace tocsin::ops
