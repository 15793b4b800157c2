#include "tests/sim/cluster.h"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/client.h"
#include "tests/sim/moves.h"
#include "tests/sim/plan.h"
#include "tests/sim/processes.h"
#include "tests/sim/publisher.h"
#include "tests/sim/tamper.h"

namespace tocsin::sim {
namespace {

constexpr std::int64_t kStepMs = 1'000;
constexpr std::int64_t kQuietMs = 7'000;     ///< longer than a beacon
constexpr std::int64_t kHealMaxMs = 90'000;  ///< virtual; a healthy cluster needs a few seconds

class Cluster {
 public:
  Cluster(std::uint64_t seed, Fault fault, std::ostream* text)
      : world_(seed),
        plan_(plan_of(world_.chance)),
        recorder_(world_, text),
        wires_(world_, plan_.unruly),
        sockets_(world_, fault),
        disk_(world_, fault),
        broker_(world_, wires_, disk_, plan_.broker) {
    wires_.tamper(tamper_of(fault, world_.chance));
    for (edge::Config c : plan_.edges) {
      if (fault == Fault::rows_unknown) c.auth_row_policy.clear();
      edges_.push_back(std::make_unique<EdgeProcess>(world_, wires_, sockets_, c));
    }
    for (const ClientPlan& c : plan_.clients)
      clients_.push_back(std::make_unique<SimClient>(
          world_, sockets_, recorder_, c, [this](const Connection& tcp, const std::string& endpoint) {
            return edge_at(endpoint).accept(tcp);
          }));
    for (std::size_t i = 0; i < plan_.publishers; ++i) add_publisher("p" + std::to_string(i));
  }

  Outcome run();

 private:
  EdgeProcess& any_edge() { return *edges_[world_.chance.next() % edges_.size()]; }
  EdgeProcess& edge_at(const std::string& endpoint);
  SimClient& any_client() { return *clients_[world_.chance.next() % clients_.size()]; }
  std::string any_peer();
  void add_publisher(const std::string& name);
  void schedule();
  void trouble();
  void process_trouble(std::uint64_t which);
  void network_trouble(std::uint64_t which);
  void client_trouble(std::uint64_t which);
  void revoke(SimClient& client, bool surely);
  void heal();
  [[nodiscard]] bool quiet() const;
  [[nodiscard]] std::string complaint() const;
  std::int64_t ms(std::uint64_t low, std::uint64_t high) {
    return static_cast<std::int64_t>(world_.chance.between(low, high));
  }

  World world_;
  const Plan plan_;
  Recorder recorder_;
  Wires wires_;
  Sockets sockets_;
  Disk disk_;
  BrokerProcess broker_;
  std::vector<std::unique_ptr<EdgeProcess>> edges_;
  Moves moves_{world_, recorder_, edges_};
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<std::unique_ptr<Publisher>> publishers_;
  std::vector<std::pair<const SimClient*, std::int64_t>> revoked_;  ///< and up to when, as was confirmed
  std::size_t revoking_ = 0;  ///< that have to be confirmed before the run ends
};

void Cluster::add_publisher(const std::string& name) {
  if (world_.chance.percent(50))
    senders_.push_back(std::make_unique<LinkSender>(world_, wires_, name));
  else
    senders_.push_back(std::make_unique<EdgeSender>([this]() -> EdgeProcess& { return any_edge(); }));
  publishers_.push_back(std::make_unique<Publisher>(world_, recorder_, *senders_.back(), name));
}

EdgeProcess& Cluster::edge_at(const std::string& endpoint) {
  for (auto& edge : edges_)
    if (kEndpoint + edge->id() == endpoint) return *edge;
  return any_edge();
}

std::string Cluster::any_peer() { return plan_.edges[world_.chance.next() % plan_.edges.size()].id; }

void Cluster::process_trouble(std::uint64_t which) {
  if (which % 2 == 0) {
    recorder_.remark("broker dies");
    broker_.kill();
    return world_.after(ms(20, 2'500), [this] {
      recorder_.remark("broker starts");
      broker_.start();
    });
  }
  EdgeProcess& edge = any_edge();
  recorder_.remark("an edge dies");
  edge.kill();
  world_.after(ms(20, 2'000), [&edge] { edge.start(); });
}

void Cluster::network_trouble(std::uint64_t which) {
  const std::string peer = any_peer();
  switch (which % 5) {
    case 0:
      recorder_.remark("cut " + peer);
      return wires_.cut(peer);
    case 1:
      recorder_.remark("partition " + peer);
      return wires_.partition(peer, ms(100, 8'000));
    case 2:
      recorder_.remark("clog " + peer);
      return wires_.clog(peer, ms(50, 1'500));
    case 3:
      recorder_.remark("disk full");
      disk_.set_full(true);
      return world_.after(ms(50, 1'500), [this] { disk_.set_full(false); });
    default:
      recorder_.remark("disk slow");
      disk_.set_slow(true);
      return world_.after(ms(500, 3'000), [this] { disk_.set_slow(false); });
  }
}

void Cluster::client_trouble(std::uint64_t which) {
  SimClient& client = any_client();
  constexpr std::array<const char*, 5> kNames{"is cut", "stalls", "moves", "forgets", "subscribes again"};
  recorder_.remark(client.name() + " " + kNames[which % kNames.size()]);
  switch (which % kNames.size()) {
    case 0:
      return client.cut();
    case 1:
      return client.stall(ms(300, 8'000));
    case 2:
      return client.move();
    case 3:
      return client.forget();
    default:
      return client.resubscribe(world_.chance.next());
  }
}

void Cluster::trouble() {
  const std::uint64_t which = world_.chance.next();
  switch (world_.chance.next() % 3) {
    case 0:
      return process_trouble(which);
    case 1:
      return network_trouble(which);
    default:
      return client_trouble(which);
  }
}

void Cluster::schedule() {
  for (auto& client : clients_) world_.after(ms(0, 3'000), [&client = *client] { client.start(); });
  moves_.schedule(plan_.moves);
  for (std::size_t i = 0; i < plan_.troubles; ++i)
    world_.after(ms(200, static_cast<std::uint64_t>(plan_.chaos_ms)), [this] { trouble(); });
  for (const std::int64_t at : plan_.revocations) world_.after(at, [this] { revoke(any_client(), false); });
  const bool bursts = world_.chance.percent(40);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < plan_.updates; ++i) {
    if (!bursts || i % 20 == 0) at = ms(0, static_cast<std::uint64_t>(plan_.chaos_ms));
    world_.after(at, [this, i] {
      const std::size_t who = i % publishers_.size();
      publishers_[who]->publish(made_update(world_.chance, plan_, "p" + std::to_string(who), i));
    });
  }
}

void Cluster::revoke(SimClient& client, bool surely) {
  recorder_.remark("tokens of " + client.subject() + " are revoked");
  const std::int64_t now = world_.wall_ms();
  const bool asked = any_edge().revoke(
      client.subject(), [this, &client, now, surely](const Result<link::RevokeAnswer>& answer) {
        const bool done = answer && answer->fault.ok();
        if (done) revoked_.emplace_back(&client, now);
        if (done && surely) --revoking_;
        if (!done && surely) world_.after(1'000, [this, &client] { revoke(client, true); });
      });
  if (!asked && surely) world_.after(1'000, [this, &client] { revoke(client, true); });
}

void Cluster::heal() {
  recorder_.remark("everything is healed");
  broker_.start();
  for (auto& edge : edges_) edge->start();
  moves_.heal();
  wires_.heal();
  disk_.set_full(false);
  disk_.set_slow(false);
  for (auto& client : clients_) client->heal();
  if (plan_.revocations.empty()) return;
  revoking_ = 1;  // of a token that lasts until the end
  world_.after(4'000, [this] { revoke(any_client(), true); });
}

bool Cluster::quiet() const {
  if (revoking_ > 0) return false;
  for (const auto& p : publishers_)
    if (!p->idle()) return false;
  for (const auto& c : clients_)
    if (!c->subscribed()) return false;
  return true;
}

/// Nobody is connected by a token that was taken back. Of a move that nothing disturbed: nobody was without a
/// socket, and everyone arrived.
std::string Cluster::complaint() const {
  for (const auto& [client, at] : revoked_)
    if (client->shows_token_before(at)) return client->name() + " is connected by a token that was revoked";
  if (!plan_.calm) return {};
  for (const auto& client : clients_)
    if (client->blackouts() > 0) return client->name() + " was without a socket";
  return moves_.complaint();
}

Outcome Cluster::run() {
  std::string meta =
      R"("e":"meta","all_publishers":true,"stable_epochs":["incidents","tenant-7/ops"],"history_kept":)";
  recorder_.run(meta + (plan_.history_kept ? "true" : "false"));
  broker_.start();
  for (auto& edge : edges_) edge->start();
  schedule();
  const std::int64_t start = world_.now();
  world_.run(start + plan_.chaos_ms + 3'000);
  heal();
  Outcome out;
  const std::int64_t healed = world_.now();
  for (std::int64_t calm_since = -1; world_.now() < healed + kHealMaxMs && !out.quiet;) {
    world_.run(world_.now() + kStepMs);
    if (!moves_.over() || !quiet())
      calm_since = -1;
    else if (calm_since < 0)
      calm_since = world_.now();
    else
      out.quiet = world_.now() - calm_since >= kQuietMs;
  }
  recorder_.run(R"("e":"settled")");
  out.verdict = recorder_.finish();
  out.complaint = complaint();
  out.trace = world_.trace();
  out.events = world_.events();
  out.virtual_ms = world_.now() - start;
  return out;
}

}  // namespace

Outcome simulate(std::uint64_t seed, Fault fault, std::ostream* text) {
  return Cluster(seed, fault, text).run();
}

}  // namespace tocsin::sim
