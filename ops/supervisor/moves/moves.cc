#include "ops/supervisor/moves/moves.h"

#include <algorithm>
#include <ctime>

#include "common/config/suggest.h"

namespace tocsin::ops {
namespace {

constexpr std::uint64_t kEdgesMax = 64;

bool whole_cluster(MoveKind kind) { return kind != MoveKind::drain && kind != MoveKind::migrate; }

}  // namespace

Error unknown_edge(const std::string& edge, const std::vector<EdgeView>& edges) {
  std::vector<std::string> known;
  std::string list;
  for (const EdgeView& view : edges) {
    known.push_back(view.id);
    list += (list.empty() ? "" : ", ") + view.id;
  }
  return {Errc::not_found, "there is no edge \"" + edge + "\"" + config::did_you_mean(edge, known) +
                               " (the cluster has " + (list.empty() ? "none" : list) + ")"};
}

void Moves::load(std::vector<Record> records) {
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.id < b.id; });
  for (Record& record : records) moves_.push_back(std::make_unique<Move>(std::move(record), port_));
}

std::vector<std::string> Moves::tick(Instant now) {
  for (const auto& move : moves_) move->tick(now);
  std::vector<std::string> forgotten;
  auto ended = std::count_if(moves_.begin(), moves_.end(), [](const auto& move) { return move->ended(); });
  for (auto it = moves_.begin(); ended > static_cast<std::ptrdiff_t>(kKept) && it != moves_.end();) {
    if (!(*it)->ended()) {
      ++it;
      continue;
    }
    forgotten.push_back((*it)->record().id);
    it = moves_.erase(it);
    --ended;
  }
  return forgotten;
}

Status Moves::check_edge(const Order& order) const {
  const auto edges = port_.edges();
  const auto edge =
      std::find_if(edges.begin(), edges.end(), [&](const EdgeView& v) { return v.id == order.edge; });
  if (edge == edges.end()) return unknown_edge(order.edge, edges);
  if (order.kind == MoveKind::migrate && order.count == 0)
    return Error{Errc::invalid_argument, "say how many clients (--count N, 1 or more)"};
  return check_targets(order);
}

Status Moves::check_targets(const Order& order) const {
  const auto edges = port_.edges();
  for (const auto* names : {&order.pace.to, &order.pace.exclude})
    for (const std::string& name : *names)
      if (std::none_of(edges.begin(), edges.end(), [&](const EdgeView& v) { return v.id == name; }))
        return unknown_edge(name, edges);
  const auto named = [](const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (named(order.pace.to, order.edge))
    return Error{Errc::invalid_argument, order.edge + " cannot be its own target"};
  const bool any = std::any_of(edges.begin(), edges.end(), [&](const EdgeView& v) {
    const bool fit =
        v.takes_clients() || (v.ready && !v.heard);  // it was not asked yet, or it will answer again
    return v.id != order.edge && fit && !named(order.pace.exclude, v.id) &&
           (order.pace.to.empty() || named(order.pace.to, v.id));
  });
  if (any) return Done{};
  return Error{Errc::unavailable,
               edges.size() == 1
                   ? "there is no target: " + order.edge +
                         " is the only edge; start another one first (tocsinctl scale 2, or where "
                         "the processes are run)"
                   : "there is no target: no other edge that may be one takes clients now; see "
                     "tocsinctl status (a cordoned edge takes them again after tocsinctl uncordon)"};
}

Status Moves::check(Order& order) const {
  const std::size_t edges = port_.scaled().size();
  switch (order.kind) {
    case MoveKind::drain:
    case MoveKind::migrate:
      return check_edge(order);
    case MoveKind::rebalance:
      if (edges < 2) return Error{Errc::unavailable, "there is nothing to balance: the cluster has one edge"};
      break;
    case MoveKind::scale:
      if (order.count < 1 || order.count > kEdgesMax)
        return Error{Errc::invalid_argument, "a cluster has 1 to " + std::to_string(kEdgesMax) + " edges"};
      break;
    case MoveKind::restart:
      break;
  }
  if (port_.maintenance())
    return Error{Errc::conflict, "maintenance is on: " + std::string(to_text(order.kind)) +
                                     " rests until tocsinctl maintenance off"};
  return Done{};
}

Result<Move*> Moves::start(Order order) {
  if (auto ok = check(order); !ok) return ok.error();
  for (const auto& move : moves_) {
    // Also one whose end is not kept yet: what is kept of the new one is kept after it.
    if (ended(move->record().phase)) continue;
    const Order& other = move->record().order;
    const bool same = other.kind == order.kind && other.edge == order.edge && other.count == order.count &&
                      order.kind != MoveKind::restart && move->record().outcome == Phase::done;
    if (same) return move.get();
    if (whole_cluster(order.kind) || move->concerns(order.edge))
      return Error{Errc::conflict, "another move is under way: " + move->record().id +
                                       "; wait for it or call it off (tocsinctl drain abort " +
                                       move->record().id + ")"};
  }
  Record record;
  record.id = fresh_id(order);
  record.order = std::move(order);
  record.started_ms = port_.wall_ms();
  const auto saved = port_.persist(record);
  const bool later = !saved && saved.error().code == Errc::overloaded;
  if (!saved && !later) return saved.error();
  moves_.push_back(
      std::make_unique<Move>(std::move(record), port_, later ? Move::Kept::not_yet : Move::Kept::yes));
  return moves_.back().get();
}

std::string Moves::fresh_id(const Order& order) const {
  const std::int64_t now = port_.wall_ms();
  const std::time_t seconds = now / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &utc);
  const std::string millis = std::to_string(1000 + now % 1000).substr(1);
  const std::string base = std::string(text) + "-" + millis + "-" + std::string(to_text(order.kind)) +
                           (order.edge.empty() ? "" : "-" + order.edge);
  std::string id = base;
  for (int n = 2; find(id) != nullptr; ++n) id = base + "-" + std::to_string(n);
  return id;
}

Move* Moves::find(const std::string& id) const {
  for (const auto& move : moves_)
    if (move->record().id == id) return move.get();
  return nullptr;
}

Move* Moves::last_of(const std::string& edge) const {
  for (auto it = moves_.rbegin(); it != moves_.rend(); ++it)
    if ((*it)->record().order.edge == edge) return it->get();
  return nullptr;
}

bool Moves::any_running() const {
  return std::any_of(moves_.begin(), moves_.end(), [](const auto& move) { return !move->ended(); });
}

}  // namespace tocsin::ops
