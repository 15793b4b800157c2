#include "ops/supervisor/k8s/desk.h"

#include <algorithm>

#include "common/http/url.h"
#include "common/log/log.h"
#include "ops/cluster/members.h"
#include "ops/supervisor/moves/balance.h"

namespace tocsin::ops::k8s {
namespace {

constexpr const char* kPlan = "plan.";
constexpr const char* kCordoned = "cordoned";
constexpr const char* kMaintenance = "maintenance";
constexpr const char* kTold = "alerts";

std::string set_path(const std::string& name_space) {
  return "/apis/apps/v1/namespaces/" + name_space + "/statefulsets";
}

Lease::Settings lease_settings(const Config& config, const Desk::Names& names) {
  return {"/apis/coordination.k8s.io/v1/namespaces/" + names.name_space + "/leases/" + config.kube_lease,
          names.identity, names.admin_url, config.kube_lease_ms};
}

std::string list_text(const std::set<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : "\n") + name;
  return out;
}

}  // namespace

Desk::Desk(const World& world, const Config& config, Folder folder, Names names,
           std::function<void()> on_lost)
    : clock_(world.clock),
      metrics_(world.metrics),
      config_(config),
      folder_(std::move(folder)),
      names_(std::move(names)),
      api_(world.api),
      on_lost_(std::move(on_lost)),
      pod_watch_("/api/v1/namespaces/" + names_.name_space +
                     "/pods?labelSelector=" + http::percent_encode(config.kube_selector),
                 pods_, world.random),
      set_watch_(set_path(names_.name_space) +
                     "?fieldSelector=" + http::percent_encode("metadata.name=" + config.kube_statefulset),
                 set_, world.random),
      lease_(lease_settings(config, names_)),
      store_("/api/v1/namespaces/" + names_.name_space + "/configmaps/" + config.kube_plans, world.random),
      scaler_(set_path(names_.name_space) + "/" + config.kube_statefulset, world.random),
      watch_(
          world.edges, world.clock, [this] { return targets(); }, names_.admin_token),
      moves_(*this),
      client_(world.edges),
      timer_(world.loop) {}

void Desk::start() {
  timer_.start(kTick, kTick, [this] { tick(); });
  tick();
}

void Desk::tick() {
  if (over_) return;
  drive(pod_watch_);
  drive(set_watch_);
  drive_lease();
  const Instant now = clock_.steady();
  if (lease_.lost(now)) {
    over_ = true;
    log::error("the lease is lost, somebody else may be in charge", {{"holder", lease_.holder()}});
    return on_lost_();
  }
  if (lease_.mine(now) && pod_watch_.synced() && set_watch_.synced()) lead();
  ask_broker();
  note_trouble();
  write_cluster_file();
}

void Desk::lead() {
  drive_store();
  if (!store_.loaded()) return;
  if (!loaded_) take_charge();
  watch_.poll(moves_.any_running() ? EdgeWatch::kCheckMoving : EdgeWatch::kCheck);
  forget_cordons();
  for (const std::string& id : moves_.tick(clock_.steady())) store_.erase(kPlan + id);
  const std::vector<Stand> stands = stands_of(facts());
  guide_leavers(stands);
  give_shares(stands);
  drive_scaler();
  drive_store();  // what a move has just written goes out at once
}

void Desk::take_charge() {
  loaded_ = true;
  std::vector<Record> records;
  for (const auto& [key, text] : store_.data()) {
    if (!key.starts_with(kPlan)) continue;
    auto record = Record::parse(text);
    if (record)
      records.push_back(*std::move(record));
    else
      log::error("a plan does not read back", {{"plan", key}, {"reason", record.error().detail}});
  }
  log::info("this supervisor is in charge", {{"identity", names_.identity}, {"plans", records.size()}});
  moves_.load(std::move(records));
}

void Desk::guide_leavers(const std::vector<Stand>& stands) {
  if (maintenance()) return;
  for (const Leavers::Order& order : leavers_.due(stands, clock_.steady())) {
    std::string body;
    Members(body).text("id", order.id).texts("targets", order.targets).end();
    log::info("a pod is being stopped, its clients are told where to go",
              {{"edge", order.edge}, {"targets", list_text({order.targets.begin(), order.targets.end()})}});
    post(order.edge, "drain", body, [this, order](const Status& done) {
      if (done)
        leavers_.took(order.id, order.targets);
      else
        log::warn("a pod that is being stopped took no order",
                  {{"edge", order.edge}, {"reason", done.error().detail}});
    });
  }
}

void Desk::give_shares(const std::vector<Stand>& stands) {
  if (!config_.kube_rebalance || maintenance()) return;
  if (const Move* move = sharing_.empty() ? nullptr : moves_.find(sharing_); move != nullptr) {
    if (!move->ended()) return;
    sharing_.clear();
    return newcomers_.settled(sharers_);  // not those that have come since
  }
  if (!newcomers_.due(stands, clock_.steady()) || moves_.any_running()) return;
  if (balance(edges()).good) return newcomers_.settled(stands);
  Order order;
  order.kind = MoveKind::rebalance;
  const auto move = moves_.start(std::move(order));
  if (!move) return;  // the next tick tries again
  sharing_ = (*move)->record().id;
  sharers_ = stands;
  log::info("edges have come, clients are spread anew", {{"plan", sharing_}});
}

void Desk::forget_cordons() {
  // A pod that was scaled away is not cordoned when it comes back.
  if (moves_.any_running()) return;
  std::set<std::string> left = cordoned();
  const std::size_t before = left.size();
  std::erase_if(left, [this](const std::string& name) {
    const std::int64_t ordinal = ordinal_in(config_.kube_statefulset, name);
    return ordinal >= static_cast<std::int64_t>(set_.get().replicas) && !pods_.all().contains(name);
  });
  if (left.size() != before) store_.set(kCordoned, list_text(left));
}

std::vector<EdgeWatch::Target> Desk::targets() const {
  std::vector<EdgeWatch::Target> out;
  const std::set<std::string> held = cordoned();
  for (const auto& [name, pod] : pods_.all()) {
    EdgeWatch::Target target;
    target.name = name;
    target.instance = pod.uid;
    if (pod.running) target.http = url_of(config_.kube_edge_url, pod, names_.name_space);
    if (target.http.empty()) target.why = "the pod is " + (pod.phase.empty() ? "new" : pod.phase);
    target.cordoned = held.contains(name);
    out.push_back(std::move(target));
  }
  return out;
}

std::optional<EdgeWatch::Target> Desk::target(const std::string& edge) const {
  for (EdgeWatch::Target& target : targets())
    if (target.name == edge) return std::move(target);
  return std::nullopt;
}

std::set<std::string> Desk::cordoned() const {
  std::set<std::string> out;
  const auto found = store_.data().find(kCordoned);
  if (found == store_.data().end()) return out;
  std::string_view rest = found->second;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    if (end > 0) out.emplace(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

std::vector<std::string> Desk::scaled() const {
  std::vector<std::string> out;
  for (std::uint64_t i = 0; i < set_.get().replicas; ++i) out.push_back(name_of(i));
  return out;
}

std::string Desk::name_of(std::uint64_t ordinal) const {
  return config_.kube_statefulset + "-" + std::to_string(ordinal);
}

bool Desk::maintenance() const {
  const auto found = store_.data().find(kMaintenance);
  return found != store_.data().end() && found->second == "on";
}

Status Desk::set_maintenance(bool on) {
  if (on)
    store_.set(kMaintenance, "on");
  else
    store_.erase(kMaintenance);
  return Done{};
}

std::string Desk::told() const {
  const auto found = store_.data().find(kTold);
  return found == store_.data().end() ? std::string() : found->second;
}

Status Desk::set_told(const std::string& text) {
  store_.set(kTold, text);
  return Done{};
}

std::vector<Watched> Desk::watched() const {
  std::vector<Watched> out{{"broker", config_.broker_http, broker_ready_, 0}};
  for (const EdgeView& view : edges()) {
    if (view.leaving) continue;
    const auto to = target(view.id);
    const EdgeWatch::Seen seen = to ? watch_.of(view.id, to->instance) : EdgeWatch::Seen{};
    out.push_back({view.id, to ? to->http : "", view.ready && watch_.serves(seen), seen.started_ms});
  }
  return out;
}

Status Desk::persist(const Record& record) {
  const std::string key = kPlan + record.id, text = record.to_json();
  if (store_.written(key, text)) return Done{};
  const auto before = store_.data().find(key);
  const bool news = before == store_.data().end() || before->second != text;
  if (news) log::info("a plan goes on", {{"plan", record.id}, {"phase", to_text(record.phase)}});
  store_.set(key, text);
  return Error{Errc::overloaded, store_.trouble().empty() ? "it is on its way" : store_.trouble()};
}

void Desk::post(const std::string& edge, const std::string& what, const std::string& body,
                std::function<void(Status)> answer) {
  const auto to = target(edge);
  if (!to || to->http.empty()) return answer(Error{Errc::unavailable, edge + " does not run now"});
  watch_.post(*to, what, body, std::move(answer));
}

void Desk::cordon(const std::string& edge, bool on) {
  std::set<std::string> names = cordoned();
  if (on ? !names.insert(edge).second : names.erase(edge) == 0) return;
  if (names.empty())
    store_.erase(kCordoned);
  else
    store_.set(kCordoned, list_text(names));
}

void Desk::set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) {
  const auto to = target(edge);
  if (!to) return answer(unknown_edge(edge, edges()));
  cordon(edge, on);
  if (to->http.empty()) return answer(Told::later);
  watch_.post(*to, on ? "cordon" : "uncordon", "{}", [answer](const Status& done) {
    answer(done ? Result<Told>(Told::now) : Result<Told>(done.error()));
  });
}

Status Desk::start_edge(const std::string& name, const Release& /*release*/) {
  const std::int64_t ordinal = ordinal_in(config_.kube_statefulset, name);
  if (ordinal < 0) return Error{Errc::invalid_argument, name + " is no pod of " + config_.kube_statefulset};
  const auto wanted = static_cast<std::uint64_t>(ordinal) + 1;
  cordon(name, false);  // of the pod that had this name before
  if (set_.get().replicas < wanted) scaler_.at_least(wanted);
  return Done{};
}

void Desk::retire_edge(const std::string& name) {
  const std::int64_t ordinal = ordinal_in(config_.kube_statefulset, name);
  if (ordinal < 0) return;
  if (set_.get().replicas > static_cast<std::uint64_t>(ordinal))
    scaler_.at_most(static_cast<std::uint64_t>(ordinal));
  else
    cordon(name, false);  // it is on its way out; the next of this name takes clients
}

// Only a rolling restart asks for these, and next_release() refuses that.
void Desk::replace_edge(const std::string& /*name*/, const Release& /*release*/) {}
void Desk::replace_broker(const Release& /*release*/) {}

Result<Release> Desk::next_release(const json::Value& /*body*/) const {
  return Error{Errc::conflict, "Kubernetes replaces the pods: kubectl rollout restart statefulset/" +
                                   config_.kube_statefulset +
                                   " (each drains first, this supervisor tells clients where to go)"};
}

}  // namespace tocsin::ops::k8s
