// The part of k8s::Desk that carries questions to the API server and answers back, and tells people how
// things are.
#include <unistd.h>

#include "common/log/log.h"
#include "common/version.h"
#include "ops/cluster/file.h"
#include "ops/cluster/members.h"
#include "ops/supervisor/k8s/desk.h"

namespace tocsin::ops::k8s {
namespace {

constexpr Millis kBrokerEvery{2'000};
constexpr Millis kGoodbye{2'000};  ///< for giving the lease up

std::string_view health_of(const EdgeView& view) {
  if (view.leaving) return "stopping";
  return view.ready ? "ready" : "waiting";
}

}  // namespace

void Desk::drive(Reflector& reflector) {
  switch (reflector.tick(clock_.steady())) {
    case Reflector::Ask::nothing:
      break;
    case Reflector::Ask::list:
      metrics_.kube_lists.add();
      api_.send({"GET", reflector.path(), {}}, [this, &reflector](const Answer& answer) {
        reflector.listed(clock_.steady(), answer);
        drive(reflector);
      });
      break;
    case Reflector::Ask::watch:
      api_.watch(
          reflector.path(), Reflector::kSilence,
          [&reflector](std::string_view bytes) { return reflector.watched(bytes); },
          [this, &reflector](const Answer& answer) { reflector.watch_ended(clock_.steady(), answer); });
      break;
  }
}

void Desk::drive_lease() {
  const Instant now = clock_.steady();
  const bool had = lease_.mine(now);
  const auto done = [this, had] {
    const bool has = lease_.mine(clock_.steady());
    metrics_.kube_leader.set(has ? 1 : 0);
    if (has && !had) log::info("the lease is held", {{"identity", names_.identity}});
  };
  switch (lease_.tick(now)) {
    case Lease::Ask::nothing:
      break;
    case Lease::Ask::read:
      api_.send(lease_.read_call(), [this, done](const Answer& answer) {
        lease_.read_done(clock_.steady(), answer);
        done();
      });
      break;
    case Lease::Ask::write:
      api_.send(lease_.write_call(now, clock_.wall_ms()), [this, done](const Answer& answer) {
        if (conflicts(answer)) metrics_.kube_conflicts.add();
        lease_.write_done(clock_.steady(), answer);
        done();
      });
      break;
  }
}

void Desk::drive_store() {
  const Store::Ask ask = store_.tick(clock_.steady());
  if (ask == Store::Ask::nothing) return;
  api_.send(store_.call(), [this, ask](const Answer& answer) {
    if (conflicts(answer)) metrics_.kube_conflicts.add();
    if (ask == Store::Ask::read)
      store_.read_done(clock_.steady(), answer);
    else
      store_.write_done(clock_.steady(), answer);
  });
}

void Desk::drive_scaler() {
  const Scaler::Ask ask = scaler_.tick(clock_.steady());
  if (ask == Scaler::Ask::nothing) return;
  const Call call = scaler_.call();
  if (ask == Scaler::Ask::patch)
    log::info("scaling", {{"statefulset", config_.kube_statefulset}, {"patch", call.body}});
  api_.send(call, [this, ask](const Answer& answer) {
    if (conflicts(answer)) metrics_.kube_conflicts.add();
    if (ask == Scaler::Ask::read)
      scaler_.read_done(clock_.steady(), answer);
    else
      scaler_.patched(clock_.steady(), answer);
  });
}

void Desk::note_trouble() {
  const bool no_set = set_watch_.synced() && set_.get().name.empty();
  const std::string missing =
      no_set ? "there is no StatefulSet " + config_.kube_statefulset + " in " + names_.name_space : "";
  const std::map<std::string, std::string> now{{"pods", pod_watch_.trouble()},
                                               {"statefulset", no_set ? missing : set_watch_.trouble()},
                                               {"lease", lease_.trouble()},
                                               {"plans", store_.trouble()},
                                               {"scale", scaler_.trouble()}};
  std::int64_t troubles = 0;
  for (const auto& [about, what] : now) {
    troubles += what.empty() ? 0 : 1;
    std::string& before = troubles_[about];
    if (before == what) continue;
    if (!what.empty()) log::warn("Kubernetes", {{"about", about}, {"reason", what}});
    before = what;
  }
  metrics_.kube_troubles.set(troubles);
}

void Desk::ask_broker() {
  const Instant now = clock_.steady();
  if (config_.broker_http.empty() || now < broker_next_) return;
  broker_next_ = now + kBrokerEvery;
  client_.get(config_.broker_http + "/health/ready", kBrokerEvery,
              [this](const Result<http::Response>& got) { broker_ready_ = got && got->status == 200; });
}

Status Desk::takes_orders() const {
  if (in_charge()) return Done{};
  const std::string& url = lease_.holder_url();
  if (lease_.mine(clock_.steady()) || lease_.holder().empty())
    return Error{Errc::unavailable, "the supervisor is taking charge" +
                                        (store_.trouble().empty() ? "" : ": " + store_.trouble())};
  return Error{Errc::unavailable, "this supervisor stands by; " + lease_.holder() + " is in charge" +
                                      (url.empty() ? "" : " (" + url + ")")};
}

bool Desk::ready() const { return pod_watch_.synced() && set_watch_.synced() && !over_; }

health::Checks Desk::checks() const {
  using health::Counts;
  const Status orders = takes_orders();
  health::Checks out{
      {"state", over_ ? "this supervisor stops" : "", Counts::health},
      {"pods", pod_watch_.synced() ? "" : "the pods were not listed yet", Counts::health},
      {"statefulset", set_watch_.synced() ? "" : "the StatefulSet was not read yet", Counts::health},
      {"lease", orders ? "" : orders.error().detail, Counts::nowhere},
      {"broker", broker_ready_ || config_.broker_http.empty() ? "" : "the broker is not ready",
       Counts::nowhere},
  };
  for (const EdgeView& view : edges())
    out.push_back({view.id, health_of(view) == "ready" ? "" : view.id + " is " + std::string(health_of(view)),
                   Counts::nowhere});
  for (const auto& [about, what] : troubles_) out.push_back({about, what, Counts::nowhere});
  return out;
}

void Desk::count(Metrics& metrics) const { count_edges(edges(), moves_, maintenance(), metrics); }

std::string Desk::status_json() const {
  std::string out;
  Members status(out);
  status.flag("ready", ready()).text("version", version()).flag("maintenance", maintenance());
  status.text("leader", lease_.holder()).text("statefulset", set_.get().name);
  status.number("replicas", static_cast<std::int64_t>(set_.get().replicas));
  status.lead("processes");
  out += '[';
  Members(out)
      .text("name", "broker")
      .number("pid", 0)
      .text("state", broker_ready_ ? "ready" : "not ready")
      .raw("http", json::quoted(config_.broker_http))
      .end();
  const std::set<std::string> held = cordoned();
  for (const EdgeView& view : edges()) {
    out += ',';
    Members edge(out);
    const auto to = target(view.id);
    edge.text("name", view.id).number("pid", 0).text("state", health_of(view));
    edge.raw("http", json::quoted(to ? to->http : "")).text("trouble", view.hopeless);
    edge.text("revision_hash", view.release.config_hash);
    edge.flag("newest", view.release.revision == kNewest);
    if (to) add_seen(edge, watch_, watch_.of(view.id, to->instance));
    if (held.contains(view.id)) edge.flag("cordoned", true);
    edge.end();
  }
  out += ']';
  status.lead("troubles");
  out += '{';
  bool first = true;
  for (const auto& [about, what] : troubles_) {
    if (what.empty()) continue;
    out += (first ? "" : ",") + json::quoted(about) + ":" + json::quoted(what);
    first = false;
  }
  out += '}';
  status.raw("plans", running_plans(moves_, wall_ms())).raw("cluster", file().to_json()).end();
  return out;
}

ClusterFile Desk::file() const {
  ClusterFile file;
  file.broker = {0, config_.broker_endpoint, config_.broker_http, names_.broker_public_key};
  // Orders are for the one in charge, whoever asks where.
  const bool other = !lease_.mine(clock_.steady()) && !lease_.holder_url().empty();
  file.supervisor = {0, other ? lease_.holder_url() : names_.admin_url, names_.admin_token_file};
  for (const EdgeView& view : edges()) {
    const auto to = target(view.id);
    if (!to || to->http.empty() || view.leaving) continue;
    const std::string ws =
        (to->http.starts_with("https") ? "wss" : "ws") + to->http.substr(to->http.find(':'));
    file.edges.push_back({view.id, 0, ws + "/v1/stream", to->http});
  }
  file.dir = folder_.root;
  return file;
}

void Desk::write_cluster_file() {
  if (!ready()) return;
  std::string text = file().to_json();
  if (text == written_file_) return;
  if (auto done = write_atomically(folder_.cluster_file(), text); !done)
    log::error("cluster.json is out of date", {{"reason", done.error().detail}});
  written_file_ = std::move(text);
}

void Desk::stop(std::function<void()> stopped) {
  const bool held = lease_.mine(clock_.steady()) && !over_;
  over_ = true;
  ::unlink(folder_.cluster_file().c_str());
  auto once = std::make_shared<std::function<void()>>(std::move(stopped));
  const auto finish = [once] {
    if (*once) std::exchange(*once, nullptr)();
  };
  timer_.start(held ? kGoodbye : Millis{0}, finish);
  if (held) api_.send(lease_.release_call(clock_.wall_ms()), [finish](const Answer&) { finish(); });
}

}  // namespace tocsin::ops::k8s
