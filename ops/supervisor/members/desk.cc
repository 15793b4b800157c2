#include "ops/supervisor/members/desk.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "common/log/log.h"
#include "ops/cluster/file.h"

namespace tocsin::ops::members {
namespace {

constexpr Millis kBrokerEvery{2'000};
constexpr const char* kBroker = "broker.http_url";  ///< among what is being looked up

Error not_ours(const std::string& instead) {
  return {Errc::conflict, "the processes are not run from here (supervisor.platform is members): " + instead};
}

}  // namespace

Desk::Desk(const World& world, const Config& config, Folder folder, Names names)
    : clock_(world.clock),
      metrics_(world.metrics),
      config_(config),
      folder_(std::move(folder)),
      names_(std::move(names)),
      plans_(folder_, world.metrics),
      resolver_(world.loop),
      watch_(
          world.edges, world.clock,
          [this] {
            std::vector<EdgeWatch::Target> out;
            for (const auto& [url, seat] : roster_.seats()) out.push_back(target_at(url));
            return out;
          },
          names_.admin_token),
      moves_(*this),
      client_(world.edges),
      timer_(world.loop) {}

Status Desk::start(std::vector<Address> addresses) {
  auto notes = load_notes(notes_file());
  if (!notes)
    return Error{notes.error().code,
                 notes.error().detail + "; remove that file: edges are found anew, cordons are forgotten"};
  notes_ = *std::move(notes);
  roster_.remember(notes_.edges);
  roster_.configure(std::move(addresses));
  moves_.load(plans_.load());
  timer_.start(kTick, kTick, [this] { tick(); });
  tick();
  return Done{};
}

void Desk::stop() {
  timer_.stop();
  ::unlink(folder_.cluster_file().c_str());
}

void Desk::use(std::vector<Address> addresses, std::string admin_token) {
  roster_.configure(std::move(addresses));
  lookup_next_ = {};
  watch_.use(std::move(admin_token));
}

void Desk::tick() {
  look_up();
  hear();
  watch_.poll(moves_.any_running() ? EdgeWatch::kCheckMoving : EdgeWatch::kCheck);
  // Until it is known which edges there are, none is missed.
  if (roster_.synced() || !roster_.edges().empty())
    for (const std::string& id : moves_.tick(clock_.steady())) plans_.forget(id);
  ask_broker();
  note_troubles();
  write_cluster_file();
}

// Names are looked up here, not by the HTTP client: it would keep the loop waiting for a name server.
void Desk::look_up() {
  const Instant now = clock_.steady();
  if (now < lookup_next_) return;
  lookup_next_ = now + config_.members_resolve;
  for (const Address& address : roster_.addresses()) {
    if (address.many())
      look_up(address);
    else
      roster_.found(address.text, Roster::Urls{address.url(address.host)});
  }
  look_up_broker();
}

void Desk::look_up(const Address& address) {
  if (!asked_.insert(address.text).second) return;  // the question before waits for its answer yet
  resolver_.resolve(address.host, [this, address](const Result<std::vector<std::string>>& found) {
    asked_.erase(address.text);
    if (!found) return roster_.found(address.text, found.error());
    Roster::Urls urls;
    for (const std::string& ip : *found) urls.insert(address.url(ip));
    roster_.found(address.text, urls);
  });
}

void Desk::look_up_broker() {
  const auto url = http::parse_url(config_.broker_http);
  if (config_.broker_http.empty() || !asked_.insert(kBroker).second) return;
  if (!url) {
    broker_trouble_ = url.error().detail;
    return;
  }
  std::string host = url->host;
  std::erase_if(host, [](char c) { return c == '[' || c == ']'; });
  resolver_.resolve(host, [this, url = *url](const Result<std::vector<std::string>>& found) {
    asked_.erase(kBroker);
    broker_trouble_ = found ? "" : config_.broker_http + " does not resolve: " + found.error().detail;
    if (found) broker_at_ = Address{{}, {}, url.port, url.secure()}.url(found->front());
  });
}

void Desk::hear() {
  std::vector<std::string> urls;
  for (const auto& [url, seat] : roster_.seats()) urls.push_back(url);
  for (const std::string& url : urls) {
    const EdgeWatch::Seen seen = watch_.of(url, {});
    if (watch_.heard(seen) && fits_edge(seen.edge)) roster_.heard(url, seen.edge, seen.started_ms);
  }
  const auto answers = [this](const std::string& url) { return watch_.heard(watch_.of(url, {})); };
  for (const std::string& edge : roster_.tick(clock_.steady(), answers))
    log::info("an edge has left", {{"edge", edge}});
  Notes next = notes_;
  next.edges.clear();
  const auto edges = roster_.edges();
  for (const auto& [edge, url] : edges) next.edges[url] = edge;
  // Another edge that gets the name of one that is gone takes clients.
  if (roster_.synced() && !moves_.any_running())
    std::erase_if(next.cordoned, [&edges](const std::string& edge) { return !edges.contains(edge); });
  const auto saved = save(std::move(next));
  if (!saved && !unsaved_)
    log::error("which edges there are is not on disk", {{"reason", saved.error().detail}});
  unsaved_ = !saved;
}

Status Desk::save(Notes next) {
  if (next == notes_) return Done{};
  if (auto saved = write_atomically(notes_file(), next.to_json()); !saved) return saved;
  notes_ = std::move(next);
  return Done{};
}

void Desk::ask_broker() {
  const Instant now = clock_.steady();
  if (broker_at_.empty() || now < broker_next_) return;
  broker_next_ = now + kBrokerEvery;
  client_.get(broker_at_ + "/health/ready", kBrokerEvery,
              [this](const Result<http::Response>& got) { broker_ready_ = got && got->status == 200; });
}

EdgeWatch::Target Desk::target_at(const std::string& url) const {
  EdgeWatch::Target target;
  target.name = target.http = url;
  const auto seat = roster_.seats().find(url);
  target.cordoned = seat != roster_.seats().end() && notes_.cordoned.contains(seat->second.edge);
  return target;
}

std::optional<EdgeWatch::Target> Desk::target(const std::string& edge) const {
  const auto edges = roster_.edges();
  const auto found = edges.find(edge);
  if (found == edges.end()) return std::nullopt;
  return target_at(found->second);
}

EdgeView Desk::view_of(const std::string& edge, const std::string& url) const {
  const EdgeWatch::Seen seen = watch_.of(url, {});
  EdgeView view;
  view.id = edge;
  // What was heard from another edge at this address is not this one's.
  view.heard = watch_.heard(seen) && seen.edge == edge;
  view.ready = view.awaited = roster_.seats().at(url).listed || view.heard;
  view.heard_at = seen.heard_at.value_or(Instant{});
  view.state = seen.state;
  view.clients = seen.clients;
  view.weight = seen.weight;
  view.report = seen.report;
  view.sees = seen.sees;
  return view;
}

std::vector<EdgeView> Desk::edges() const {
  std::vector<EdgeView> out;
  for (const auto& [edge, url] : roster_.edges()) out.push_back(view_of(edge, url));
  return out;
}

std::vector<Watched> Desk::watched() const {
  std::vector<Watched> out;
  if (!config_.broker_http.empty()) out.push_back({"broker", broker_at_, broker_ready_, 0});
  for (const auto& [edge, url] : roster_.edges()) {
    const EdgeWatch::Seen seen = watch_.of(url, {});
    out.push_back({edge, url, watch_.serves(seen), seen.started_ms});
  }
  return out;
}

std::vector<Reloads::Process> Desk::processes() const {
  std::vector<Reloads::Process> out;
  if (!config_.broker_http.empty()) out.push_back({"broker", broker_at_, broker_trouble_});
  for (const auto& [edge, url] : roster_.edges()) out.push_back({edge, url, {}});
  return out;
}

void Desk::post(const std::string& edge, const std::string& what, const std::string& body,
                std::function<void(Status)> answer) {
  const auto to = target(edge);
  if (!to) return answer(Error{Errc::unavailable, edge + " is not there now"});
  watch_.post(*to, what, body, std::move(answer));
}

Status Desk::set_cordoned(const std::string& edge, bool on) {
  Notes next = notes_;
  if (on)
    next.cordoned.insert(edge);
  else
    next.cordoned.erase(edge);
  return save(std::move(next));
}

void Desk::cordon(const std::string& edge, bool on) {
  if (auto set = set_cordoned(edge, on); !set)
    log::warn("could not be done yet", {{"what", "cordon"}, {"of", edge}, {"reason", set.error().detail}});
}

void Desk::set_cordon(const std::string& edge, bool on, std::function<void(Result<Told>)> answer) {
  const auto to = target(edge);
  if (!to) return answer(unknown_edge(edge, edges()));
  if (auto set = set_cordoned(edge, on); !set) return answer(set.error());
  if (!watch_.heard(watch_.of(to->name, {}))) return answer(Told::later);  // it is told when it answers again
  watch_.post(*to, on ? "cordon" : "uncordon", "{}", [answer](const Status& done) {
    answer(done ? Result<Told>(Told::now) : Result<Told>(done.error()));
  });
}

Status Desk::set_maintenance(bool on) {
  Notes next = notes_;
  next.maintenance = on;
  return save(std::move(next));
}

Status Desk::can_scale() const {
  return not_ours(
      "with docker-compose ops/compose/scale.sh COUNT, with units systemctl start or stop tocsin-edge@NAME (an edge "
      "that is stopped drains first), then tocsinctl rebalance");
}

Result<Release> Desk::next_release(const json::Value& /*body*/) const {
  return not_ours(
      "with docker-compose ops/compose/upgrade.sh TAG, with units systemctl restart tocsin-edge@NAME one after the "
      "other (each drains first)");
}

}  // namespace tocsin::ops::members
