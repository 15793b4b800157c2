#include "edge/http_api/health.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "common/json/json.h"

namespace tocsin::edge {
namespace {

using health::Counts;
using Kind = Health::Kind;

constexpr std::array<std::string_view, 4> kKinds{"", "health", "live", "ready"};

/// An item of health.paths: "/healthz" with /healthz/live and /healthz/ready below it, or "/alive=live", just
/// that.
struct Item {
  std::string_view path;
  std::optional<Kind> only;  ///< none when it is not one of the words
  bool family = false;
};

Item parse(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) return {text, Kind::health, true};
  Item item{text.substr(0, equals), std::nullopt, false};
  for (std::size_t i = 1; i < kKinds.size(); ++i)
    if (text.substr(equals + 1) == kKinds[i]) item.only = static_cast<Kind>(i);
  return item;
}

Kind below(std::string_view path, std::string_view base) {
  if (!path.starts_with(base)) return Kind::none;
  path.remove_prefix(base.size());
  if (path.empty()) return Kind::health;
  if (path == "/live") return Kind::live;
  return path == "/ready" ? Kind::ready : Kind::none;
}

void member(std::string& out, std::string_view name, std::string_view value) {
  out.append(",\"").append(name).append("\":");
  json::append_quoted(out, value);
}

void number(std::string& out, std::string_view name, double value) {
  out.append(",\"").append(name).append("\":").append(std::to_string(std::llround(value)));
}

}  // namespace

Kind Health::kind_of(std::string_view path) const {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  if (const Kind own = below(path, "/health"); own != Kind::none) return own;
  for (const auto& text : config_.health_paths) {
    const Item item = parse(text);
    if (!item.family && path == item.path) return item.only.value_or(Kind::none);
    if (!item.family) continue;
    if (const Kind kind = below(path, item.path); kind != Kind::none) return kind;
  }
  return Kind::none;
}

Status Health::check(const Config& config) {
  for (const auto& text : config.health_paths) {
    const Item item = parse(text);
    const bool fits = item.only && item.path.size() > 1 && item.path.starts_with('/') &&
                      !item.path.ends_with('/') && item.path.find_first_of("?# ") == std::string_view::npos;
    const bool taken =
        item.path.starts_with("/v1/") || item.path.starts_with("/admin") || item.path == "/metrics";
    if (!fits || taken)
      return Error{
          Errc::invalid_argument,
          "health.paths: \"" + text +
              "\" must be a path of its own, /healthz, with what it answers, =health, =live or =ready, or without"};
  }
  return Done{};
}

health::Checks Health::checks(bool leaving, bool full) const {
  const Counts when_full = config_.health_full == WhenFull::ready       ? Counts::nowhere
                           : config_.health_full == WhenFull::unhealthy ? Counts::health
                                                                        : Counts::ready;
  const double days = sources_.figures ? sources_.figures().tls_days_left : std::nan("");
  return {
      {"state", leaving ? "the edge is " + std::string(sources_.state()) : "", Counts::health},
      // Not ready for want of a broker is no reason to be taken out by who only looks at /health.
      {"broker", leaving ? "" : sources_.not_ready_reason(), Counts::ready},
      {"capacity",
       full ? "the edge is full: " + std::to_string(sources_.clients()) + " of " +
                  std::to_string(config_.clients_max) + " clients"
            : "",
       when_full},
      {"certificate", days < 0 ? "the certificate has ended" : "", Counts::nowhere},
  };
}

HttpReply Health::reply(Kind kind, bool detailed) const {
  HttpReply reply;
  reply.headers.emplace_back("cache-control", "no-store");
  if (kind == Kind::live) {
    reply.body = R"({"status":"live"})";
    return reply;
  }
  const std::string_view state = sources_.state();
  const bool leaving = state != "ready" && state != "starting";
  const bool full = sources_.clients() >= static_cast<std::size_t>(config_.clients_max);
  const health::Checks list = checks(leaving, full);
  const bool ready = health::ready(list);
  const auto troubles = std::count_if(list.begin(), list.end(), [](const health::Check& check) {
    return !check.trouble.empty() && check.counts != Counts::nowhere;
  });
  const bool only_full = full && config_.health_full != WhenFull::ready && troubles == 1;
  std::string& out = reply.body;
  out = R"({"status":")" +
        std::string(ready       ? "ready"
                    : leaving   ? state
                    : only_full ? "full"
                                : "not_ready") +
        "\"";
  member(out, "edge", config_.id);
  number(out, "clients", static_cast<double>(sources_.clients()));
  health::append_reasons(out, list);
  if (detailed) out.append(details(list));
  out.push_back('}');
  if (!health::healthy(list) || (kind == Kind::ready && !ready)) reply.status = 503;
  return reply;
}

std::string Health::details(const health::Checks& checks) const {
  std::string out;
  member(out, "state", sources_.state());
  number(out, "clients_max", static_cast<double>(config_.clients_max));
  if (sources_.figures) {
    const auto figures = sources_.figures();
    member(out, "version", figures.version);
    number(out, "uptime_seconds", static_cast<double>(figures.uptime.count()) / 1'000);
    number(out, "now_ms", static_cast<double>(figures.now_ms));
    number(out, "load_permille", figures.load);
    if (!std::isnan(figures.tls_days_left)) number(out, "tls_days_left", std::floor(figures.tls_days_left));
  }
  health::append_checks(out, checks);
  return out;
}

}  // namespace tocsin::edge
