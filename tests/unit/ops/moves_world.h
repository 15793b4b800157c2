#pragma once
// World: a cluster in virtual time, for tests of moves: edges that drain at so many clients a second,
// processes that need a while to start, and a disk. One step is 100 ms.
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "ops/supervisor/moves/moves.h"

namespace tocsin::ops::testing {

struct FakeEdge {
  Release release;
  std::uint64_t clients = 0;
  std::uint64_t twice = 0;  ///< of these, those that have moved twice or more
  bool cordoned = false;
  int starts_in = 0;  ///< steps until it is ready
  bool dead = false;  ///< does not answer
  bool hopeless = false;
  int stops_in = 0;  ///< steps until it is gone
  std::optional<EdgeReport> report;
  Pace pace;
  std::uint64_t left_to_move = 0;
};

class World final : public MovePort {
 public:
  explicit World(int edges, std::uint64_t clients_each = 100) {
    for (int i = 0; i < edges; ++i) add("edge-" + std::to_string(i), clients_each);
  }
  FakeEdge& add(const std::string& name, std::uint64_t clients) {
    order.push_back(name);
    FakeEdge& edge = fakes[name];
    edge = {};
    edge.release = current;
    edge.clients = clients;
    return edge;
  }

  /// 100 ms pass: processes start, edges move their clients, the supervisor looks.
  void step() {
    now += Millis{100};
    for (const std::string& name : std::vector<std::string>(order)) {
      FakeEdge& edge = fakes[name];
      if (edge.starts_in > 0) --edge.starts_in;
      if (alive(edge)) drive(name, edge);
      if (edge.stops_in == 0 || --edge.stops_in > 0) continue;
      std::erase(order, name);
      remembered.erase(name);
      fakes.erase(name);
    }
    if (broker_starts_in > 0) --broker_starts_in;
    if (moves) moves->tick(now);
  }
  /// Until every move has ended, or so many steps.
  void run(int steps = 3'000) {
    for (int i = 0; i < steps && moves->any_running(); ++i) step();
  }
  /// The supervisor dies; the next one has what is on disk.
  void restart_supervisor() {
    moves = std::make_unique<Moves>(*this);
    std::vector<Record> records;
    for (const auto& [id, text] : disk) records.push_back(*Record::parse(text));
    moves->load(std::move(records));
  }

  std::vector<EdgeView> edges() const override {
    std::vector<EdgeView> out;
    for (const std::string& name : order) {
      const FakeEdge& edge = fakes.at(name);
      EdgeView view;
      view.id = name;
      view.release = edge.release;
      view.ready = alive(edge);
      view.hopeless = edge.hopeless ? name + " cannot start" : "";
      view.heard = view.ready;
      view.heard_at = now;
      view.state = edge.cordoned ? (edge.clients == 0 ? "empty" : "cordoned") : "ready";
      view.clients = edge.clients;
      view.report = edge.report;
      for (const auto& [other, fake] : fakes)
        if (other != name && alive(fake) && !fake.cordoned) view.sees.insert(other);
      out.push_back(std::move(view));
    }
    return out;
  }
  std::set<std::string> cordoned() const override {
    std::set<std::string> out;
    for (const auto& [name, on] : remembered)
      if (on) out.insert(name);
    return out;
  }
  BrokerView broker() const override {
    return {{broker_pid, 1},
            broker_starts_in == 0 && !broker_hopeless,
            broker_hopeless ? "broker cannot start" : ""};
  }
  Release release() const override { return current; }
  bool maintenance() const override { return resting; }
  std::int64_t wall_ms() const override { return 1'800'000'000'000 + now.time_since_epoch().count(); }
  Status persist(const Record& record) override {
    if (disk_full) return Error{Errc::disk_full, "no space"};
    disk[record.id] = record.to_json();
    phases.push_back(record.phase);
    return Done{};
  }
  void post(const std::string& name, const std::string& what, const std::string& body,
            std::function<void(Status)> answer) override {
    asked.push_back(name + " " + what);
    FakeEdge& edge = fakes[name];
    if (!refuse.empty()) return answer(Error{Errc::invalid_argument, refuse});
    const auto document = json::parse(body);
    if (what == "abort" && edge.report && !edge.report->ended()) {
      edge.report->state = "aborted";
      edge.cordoned = false;
    }
    if (what == "uncordon") edge.cordoned = false;
    if (what == "drain" || what == "migrate") {
      const std::string id(**json::string_member(*document, "id"));
      if (edge.report && edge.report->id == id) return answer(Done{});
      edge.report = EdgeReport{};
      edge.report->id = id;
      edge.report->kind = what;
      edge.report->edge = name;
      edge.report->state = "running";
      edge.pace = *parse_pace(*document);
      edge.left_to_move = what == "drain" ? edge.clients : **json::uint_member(*document, "count");
      edge.report->planned = edge.left_to_move;
      edge.cordoned = edge.cordoned || what == "drain";
    }
    answer(Done{});
  }
  void cordon(const std::string& name, bool on) override { remembered[name] = on; }
  Status start_edge(const std::string& name, const Release& with) override {
    FakeEdge& edge = add(name, 0);
    edge.release = with;
    edge.starts_in = 10;
    edge.hopeless = new_ones_fail;
    most_edges = std::max(most_edges, order.size());
    return Done{};
  }
  void replace_edge(const std::string& name, const Release& with) override {
    FakeEdge& edge = fakes[name];
    cut += edge.clients;
    edge = {};
    edge.release = with;
    edge.starts_in = 10;
    edge.hopeless = fails_with_new == name && with != current;
  }
  void retire_edge(const std::string& name) override {
    FakeEdge& edge = fakes[name];
    if (edge.stops_in > 0) return;
    cut += edge.clients;
    edge.clients = 0;
    edge.stops_in = 5;
  }
  void replace_broker(const Release& with) override {
    ++broker_pid;
    broker_starts_in = 10;
    broker_hopeless = broker_fails && with != current;
    if (!broker_hopeless) current = with;
  }

  [[nodiscard]] std::uint64_t clients() const {
    std::uint64_t sum = 0;
    for (const auto& [name, edge] : fakes) sum += edge.clients;
    return sum;
  }

  std::vector<std::string> order;
  std::map<std::string, FakeEdge> fakes;
  std::map<std::string, std::string> disk;
  std::map<std::string, bool> remembered;
  std::vector<Phase> phases;  ///< in the order in which they were written
  std::vector<std::string> asked;
  std::unique_ptr<Moves> moves = std::make_unique<Moves>(*this);
  Instant now{Millis{1'000'000}};
  Release current{"/programs", "", "", 1};
  std::uint64_t per_step = 10;
  std::uint64_t cut = 0;   ///< clients on an edge that was stopped
  std::uint64_t hops = 0;  ///< of all clients together
  std::uint64_t third_hops = 0;
  std::size_t most_edges = 0;
  pid_t broker_pid = 100;
  int broker_starts_in = 0;
  std::string refuse;
  std::string fails_with_new;
  bool new_ones_fail = false, broker_fails = false, broker_hopeless = false, disk_full = false,
       resting = false;

 private:
  [[nodiscard]] static bool alive(const FakeEdge& edge) {
    return !edge.dead && edge.starts_in == 0 && !edge.hopeless && edge.stops_in == 0;
  }
  /// Sends clients to the targets by turns; those that have moved go last.
  void drive(const std::string& name, FakeEdge& edge) {
    if (!edge.report || edge.report->ended()) return;
    std::vector<std::string> targets;
    for (const std::string& to : order) {
      const auto in = [&](const std::vector<std::string>& list) {
        return std::find(list.begin(), list.end(), to) != list.end();
      };
      const FakeEdge& target = fakes[to];
      if (to == name || target.cordoned || !alive(target) || in(edge.pace.exclude)) continue;
      if (edge.pace.to.empty() ? target.release.revision >= edge.release.revision : in(edge.pace.to))
        targets.push_back(to);
    }
    edge.report->state = targets.empty() ? "paused" : "running";
    for (std::uint64_t i = 0; i < per_step && edge.left_to_move > 0 && edge.clients > 0 && !targets.empty();
         ++i) {
      FakeEdge& target = fakes[targets[i % targets.size()]];
      const bool again = edge.clients <= edge.twice;
      if (again) --edge.twice, ++third_hops;
      --edge.clients, --edge.left_to_move, ++target.clients, ++hops, ++edge.report->migrated,
          ++edge.report->resumed;
      if (name == kSurgeEdge) ++target.twice;
    }
    edge.report->remaining = edge.left_to_move;
    if (edge.left_to_move == 0 || edge.clients == 0) edge.report->state = "done";
  }
};

}  // namespace tocsin::ops::testing
