#include "tests/sim/processes.h"

#include <cstdlib>
#include <iostream>
#include <map>
#include <utility>

namespace tocsin::sim {

struct BrokerProcess::Parts {
  Parts(World& world, Wires& wires, Disk& disk, const broker::Config& config)
      : store(disk, memory),
        core(
            config, "sim", store, world, [&world] { return world.chance.next(); }, wires, metrics) {}
  metrics::Registry registry;
  broker::Metrics metrics{registry};
  broker::MemoryLogStore memory;
  broker::SplitLogStore store;
  broker::Core core;
};

BrokerProcess::BrokerProcess(World& world, Wires& wires, Disk& disk, broker::Config config)
    : world_(world), wires_(wires), disk_(disk), config_(std::move(config)) {}
BrokerProcess::~BrokerProcess() = default;

void BrokerProcess::start() {
  if (parts_) return;
  life_ = new_life();
  poll_due_ = false;
  parts_ = std::make_unique<Parts>(world_, wires_, disk_, config_);
  parts_->store.on_wake([this] {
    if (std::exchange(poll_due_, true)) return;
    world_.after(0, life_, [this] { poll(); });
  });
  if (const auto ok = parts_->core.open(); !ok) {
    std::cerr << "the simulated broker does not start: " << ok.error().detail << "\n";
    std::abort();
  }
  wires_.serve(
      [this](const std::string& peer, const std::string& bytes) { parts_->core.on_bytes(peer, bytes); });
  world_.after(kTickMs, life_, [this] { tick(); });
}

void BrokerProcess::poll() {
  poll_due_ = false;
  parts_->store.poll();
}

void BrokerProcess::tick() {
  parts_->core.tick();
  world_.after(kTickMs, life_, [this] { tick(); });
}

void BrokerProcess::kill() {
  if (!parts_) return;
  life_.reset();
  wires_.broker_died();
  disk_.crash();
  parts_.reset();
}

class EdgeProcess::Wire final : public edge::LinkWire {
 public:
  Wire(Wires& wires, std::string name) : wires_(wires), name_(std::move(name)) {}
  bool send(std::string bytes) override { return wires_.send_up(name_, std::move(bytes)); }

 private:
  Wires& wires_;
  const std::string name_;
};

struct EdgeProcess::Parts {
  struct Served {
    Connection tcp;
    edge::ClientId client{};
    std::uint64_t number = 0;
  };
  Parts(World& world, Wires& wires, Sockets& sockets, const edge::Config& config)
      : wire(wires, config.id),
        link(
            config, world, wire, [&world] { return world.chance.next(); }, metrics),
        outlet(sockets),
        gateway(
            config, world, link, outlet, [&world] { return world.chance.next(); }, metrics) {
    link.attach_sink(gateway.feed());
    link.describe_self("1", kEndpoint + config.id);
    if (config.auth_key_env.empty()) return;
    gate.emplace(config, world, metrics);
    if (const auto ok = gate->load(); !ok) {
      std::cerr << "the simulated edge does not start: " << ok.error().detail << "\n";
      std::abort();
    }
    gateway.guard(*gate);
  }
  metrics::Registry registry;
  edge::Metrics metrics{registry};
  Wire wire;
  edge::EdgeLink link;
  SimOutlet outlet;
  std::map<std::uint64_t, std::unique_ptr<Served>> served;  ///< in the order in which they came
  std::uint64_t number = 0;
  std::optional<edge::Gate> gate;
  edge::Gateway gateway;
};

EdgeProcess::EdgeProcess(World& world, Wires& wires, Sockets& sockets, edge::Config config)
    : world_(world), wires_(wires), sockets_(sockets), config_(std::move(config)) {}
EdgeProcess::~EdgeProcess() = default;

void EdgeProcess::start() {
  if (parts_) return;
  life_ = new_life();
  turn_due_ = false;
  leaving_ = false;
  parts_ = std::make_unique<Parts>(world_, wires_, sockets_, config_);
  wires_.attach(config_.id,
                {[this] { parts_->link.on_connected(), turn_soon(); },
                 [this] { parts_->link.on_disconnected(), turn_soon(); },
                 [this](const std::string& bytes) { parts_->link.on_bytes(bytes), turn_soon(); }});
  world_.after(kTickMs, life_, [this] { tick(); });
}

void EdgeProcess::tick() {
  report();
  parts_->link.tick();
  if (parts_->gate) parts_->gate->tick();
  parts_->gateway.tick();
  turn_soon();
  if (leaving_ && !parts_->gateway.drain().running()) leave();
  world_.after(kTickMs, life_, [this] { tick(); });
}

void EdgeProcess::turn_soon() {
  if (std::exchange(turn_due_, true)) return;
  world_.after(0, life_, [this] {
    turn_due_ = false;
    if (parts_->gateway.turn()) return turn_soon();
    if (const auto due = parts_->gateway.next_due()) {
      const auto wait = std::chrono::duration_cast<Millis>(*due - world_.steady()).count();
      world_.after(std::max<std::int64_t>(wait, 0), life_, [this] { turn_soon(); });
    }
  });
}

void EdgeProcess::report() {
  const edge::EdgeState state = parts_->gateway.drain().state();
  edge::EdgeReport report;
  report.clients = static_cast<std::uint32_t>(parts_->gateway.clients());
  report.clients_max = 1'000;
  report.state = edge::name_of(state);
  report.take_per_s = state == edge::EdgeState::ready && parts_->link.ready() ? 100 : 0;
  parts_->link.report(report);
}

edge::Drain* EdgeProcess::drain() { return parts_ ? &parts_->gateway.drain() : nullptr; }

void EdgeProcess::terminate(std::int64_t deadline_ms, std::int64_t away_ms, World::Event last) {
  if (!parts_ || leaving_) return;
  leaving_ = true;
  away_ms_ = away_ms;
  last_ = std::move(last);
  edge::Drain& drain = parts_->gateway.drain();
  if (drain.running() && drain.report()->kind == edge::MoveKind::migrate) (void)drain.abort();
  if (!drain.has_target() || !drain.start({})) return;  // the next tick ends it
  drain.hasten(Millis{deadline_ms});
}

/// The drain is over: what is still connected is told, and the process ends.
void EdgeProcess::leave() {
  if (!last_) return;
  std::exchange(last_, nullptr)();
  parts_->gateway.drain().stop();
  parts_->gateway.close_all(CloseReason::restart);
  turn_soon();
  world_.after(1'500, life_, [this] {
    kill();
    world_.after(away_ms_, [this] { start(); });
  });
}

bool EdgeProcess::accept(const Connection& tcp) {
  if (!parts_ || parts_->gateway.drain().refusing()) return false;
  auto served = std::make_unique<Parts::Served>();
  served->tcp = tcp;
  Parts::Served* one = served.get();
  edge::Opening opening;
  opening.encoding.door = tcp->proto ? edge::Door::proto : edge::Door::json;
  opening.token = tcp->token;
  const auto client = parts_->gateway.open(&one->tcp, opening);
  if (!client) return false;
  one->client = *client;
  one->number = ++parts_->number;
  parts_->served.emplace(one->number, std::move(served));
  tcp->message = [this, one](const std::string& bytes) {
    parts_->gateway.message(one->client, bytes), turn_soon();
  };
  tcp->pong = [this, one] { parts_->gateway.pong(one->client), turn_soon(); };
  tcp->writable = [this, one] { parts_->gateway.writable(one->client), turn_soon(); };
  tcp->closed = [this, one] {
    parts_->gateway.closed(one->client);
    turn_soon();
    parts_->served.erase(one->number);
  };
  turn_soon();
  return true;
}

bool EdgeProcess::publish(Draft draft, edge::Answer<std::vector<link::PublishOutcome>> answer) {
  if (!parts_) return false;
  parts_->link.publish({std::move(draft)}, std::move(answer));
  return true;
}

bool EdgeProcess::revoke(const std::string& subject, edge::Answer<link::RevokeAnswer> answer) {
  if (!parts_) return false;
  const std::int64_t now = world_.wall_ms();
  parts_->link.revoke({{link::Revocation::Of::subject, subject, now, now + 3'600'000, 0}}, std::move(answer));
  return true;
}

void EdgeProcess::kill() {
  if (!parts_) return;
  leaving_ = false;
  last_ = nullptr;
  life_.reset();
  wires_.detach(config_.id);
  for (auto& [number, served] : parts_->served) sockets_.edge_died(served->tcp);
  parts_.reset();
}

}  // namespace tocsin::sim
