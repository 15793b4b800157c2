// The part of members::Desk that tells people how things are.
#include "common/log/log.h"
#include "common/version.h"
#include "ops/cluster/file.h"
#include "ops/cluster/members.h"
#include "ops/supervisor/members/desk.h"

namespace tocsin::ops::members {

std::map<std::string, std::string> Desk::troubles_now() const {
  std::map<std::string, std::string> out = roster_.troubles();
  if (!broker_trouble_.empty()) out["broker.http_url"] = broker_trouble_;
  for (const auto& [url, seat] : roster_.seats()) {
    const EdgeWatch::Seen seen = watch_.of(url, {});
    if (!seat.listed) continue;
    if (!seen.trouble.empty())
      out[url] = seen.trouble;
    else if (watch_.heard(seen) && !fits_edge(seen.edge))
      out[url] = "it says no name that an edge can have here: 1 to 128 of letters, digits, - _ : and .";
  }
  return out;
}

void Desk::note_troubles() {
  const auto now = troubles_now();
  std::erase_if(troubles_, [&](const auto& before) { return !now.contains(before.first); });
  std::int64_t told_now = 0;
  for (const auto& [about, what] : now) {
    Trouble& trouble = troubles_.try_emplace(about, Trouble{what, clock_.steady()}).first->second;
    trouble.what = what;
    if (!told(trouble)) continue;
    ++told_now;
    if (!std::exchange(trouble.logged, true))
      log::warn("a member is not found", {{"where", about}, {"reason", what}});
  }
  metrics_.members_troubles.set(told_now);
}

health::Checks Desk::checks() const {
  using health::Counts;
  const bool broker = broker_ready_ || config_.broker_http.empty();
  health::Checks out{
      {"lookups", roster_.synced() ? "" : "not every name in members.edges has had an address yet",
       Counts::health},
      {"broker", broker ? "" : "the broker is not ready", Counts::nowhere},
  };
  for (const auto& [edge, url] : roster_.edges()) {
    const EdgeWatch::Seen seen = watch_.of(url, {});
    health::Check check{edge, {}, Counts::nowhere};
    if (!view_of(edge, url).heard)
      check.trouble = edge + " does not answer";
    else if (!seen.ready && !notes_.cordoned.contains(edge))
      check.trouble = edge + " is not ready: " + reason_of(seen);
    out.push_back(std::move(check));
  }
  // For everybody to read: where it is, and not what a stranger there answers.
  for (const auto& [about, trouble] : troubles_)
    if (told(trouble)) out.push_back({about, "it is in trouble; /status says which", Counts::nowhere});
  out.push_back({"maintenance", maintenance() ? "maintenance is on: nothing is rebalanced, alerts rest" : "",
                 Counts::nowhere});
  return out;
}

void Desk::count(Metrics& metrics) const { count_edges(edges(), moves_, maintenance(), metrics); }

std::string Desk::status_json() const {
  std::string out;
  Members status(out);
  status.flag("ready", ready()).text("version", version()).flag("maintenance", maintenance());
  status.lead("processes");
  out += '[';
  Members(out)
      .text("name", "broker")
      .number("pid", 0)
      .text("state", broker_ready_ ? "ready" : "not ready")
      .raw("http", json::quoted(config_.broker_http))
      .end();
  for (const auto& [edge, url] : roster_.edges()) {
    out += ',';
    const EdgeView view = view_of(edge, url);
    Members members(out);
    members.text("name", edge).number("pid", 0);
    members.text("state", view.heard ? "ready" : view.awaited ? "silent" : "gone").text("http", url);
    add_seen(members, watch_, watch_.of(url, {}));
    if (notes_.cordoned.contains(edge)) members.flag("cordoned", true);
    members.end();
  }
  out += ']';
  status.lead("troubles");
  Members troubles(out);
  for (const auto& [about, trouble] : troubles_)
    if (told(trouble)) troubles.text(about, trouble.what);
  troubles.end();
  status.raw("plans", running_plans(moves_, wall_ms())).raw("cluster", file().to_json()).end();
  return out;
}

ClusterFile Desk::file() const {
  ClusterFile file;
  file.broker = {0, config_.broker_endpoint, config_.broker_http, names_.broker_public_key};
  file.supervisor = {0, names_.admin_url, names_.admin_token_file};
  for (const auto& [edge, url] : roster_.edges()) {
    const std::string ws = (url.starts_with("https") ? "wss" : "ws") + url.substr(url.find(':'));
    file.edges.push_back({edge, 0, ws + "/v1/stream", url});
  }
  file.dir = folder_.root;
  return file;
}

void Desk::write_cluster_file() {
  std::string text = file().to_json();
  if (text == written_file_) return;
  if (auto done = write_atomically(folder_.cluster_file(), text); !done)
    log::error("cluster.json is out of date", {{"reason", done.error().detail}});
  written_file_ = std::move(text);
}

}  // namespace tocsin::ops::members
