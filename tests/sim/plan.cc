#include "tests/sim/plan.h"

#include <array>
#include <string_view>

namespace tocsin::sim {
namespace {

constexpr std::array<const char*, 3> kChannels{"incidents", "tenant-7/ops", kMemoryChannel};
constexpr std::array<const char*, 5> kSeverities{"P0", "P1", "P2", "P3", "P4"};
constexpr std::array<const char*, 6> kStatuses{"detected",   "acknowledged", "investigating",
                                               "monitoring", "resolved",     "closed"};
constexpr std::array<const char*, 4> kTenants{"a", "b", "c", "d"};
constexpr std::array<const char*, 4> kServices{"api", "db", "queue", "web"};

template <typename T, std::size_t N>
T pick(Chance& chance, const std::array<T, N>& from) {
  return from[chance.next() % N];
}

std::string filter_of(Chance& chance) {
  switch (chance.next() % 8) {
    case 0:
      return R"({"severity":["P0","P1"]})";
    case 1:
      return R"({"active":true})";
    case 2:
      return R"({"labels":{"service":["api","db"]}})";
    case 3:
      return R"({"status":["resolved","closed"],"severity":["P2","P3","P4"]})";
    case 4:
      return R"({"kind":["noted"]})";
    case 5:
      return R"({"incident":["inc-1","inc-2"],"active":true})";
    default:
      return "{}";
  }
}

std::vector<Wanted> wanted_of(Chance& chance, bool full) {
  std::vector<Wanted> out;
  const std::size_t n = full ? 2 : chance.between(1, 3);
  for (std::size_t i = 0; i < n; ++i) {
    Wanted w;
    w.id = "s" + std::to_string(i);
    w.channel = full ? kChannels[i] : pick(chance, kChannels);
    w.filter = full ? "{}" : filter_of(chance);
    w.snapshot = chance.percent(50);
    if (chance.percent(20)) w.options = chance.percent(50) ? R"(,"conflate":true)" : R"(,"conflate":false)";
    out.push_back(std::move(w));
  }
  return out;
}

edge::Config edge_config(Chance& chance, std::size_t number, bool tight) {
  edge::Config c;
  c.id = "edge-" + std::to_string(number);
  c.link_request_timeout = Millis{static_cast<std::int64_t>(chance.between(1'000, 5'000))};
  c.broker_wait = Millis{static_cast<std::int64_t>(chance.between(1'000, 10'000))};
  c.beacon = Millis{static_cast<std::int64_t>(chance.between(200, 5'000))};
  c.keepalive = Millis{static_cast<std::int64_t>(chance.between(1'000, 25'000))};
  if (chance.percent(30)) c.link_page_bytes = 4'096;
  if (chance.percent(30)) c.link_reorder_bytes = 4'096;
  if (chance.percent(30)) c.state_max_bytes = chance.percent(50) ? 0 : 20'000;
  if (chance.percent(30)) c.cache_linger = Millis{static_cast<std::int64_t>(chance.between(0, 2'000))};
  if (!tight) return c;
  c.audience_max_bytes = 65'536;
  c.recent_max_bytes = 65'536;
  c.private_max_bytes = 131'072;
  c.conflate_bytes = static_cast<std::int64_t>(chance.between(0, 30'000));
  c.conflate_stalled = Millis{static_cast<std::int64_t>(chance.between(0, 1'500))};
  c.conflate_behind = Millis{static_cast<std::int64_t>(chance.between(100, 3'000))};
  c.slow_close = Millis{static_cast<std::int64_t>(chance.between(500, 5'000))};
  return c;
}

/// Doors and rates. From a copy, so that a seed's other choices are what they were before there was a choice.
void choose_doors(Plan& plan, Chance chance) {
  for (ClientPlan& client : plan.clients) {
    client.proto = chance.percent(30);
    for (Wanted& wanted : client.wanted)
      if (chance.percent(15) && wanted.options.find("false") == std::string::npos)
        wanted.options += R"(,"max_rate":)" + std::to_string(chance.between(1, 20));
  }
}

PlannedMove move_of(Chance& chance, const Plan& plan) {
  PlannedMove move;
  move.how = pick(
      chance, std::array{PlannedMove::How::drain, PlannedMove::How::migrate, PlannedMove::How::terminate});
  move.edge = chance.next() % plan.edges.size();
  move.target = (move.edge + 1) % plan.edges.size();
  move.at = static_cast<std::int64_t>(chance.between(1'500, static_cast<std::uint64_t>(plan.chaos_ms)));
  move.count = chance.between(1, 5);
  move.deadline_ms = static_cast<std::int64_t>(chance.between(2'000, 15'000));
  const auto sometimes = [&chance](std::uint64_t percent) {
    const bool yes = chance.percent(percent);
    const auto when = static_cast<std::int64_t>(chance.between(0, 6'000));
    return yes ? when : std::int64_t{-1};
  };
  move.abort_after = sometimes(20);
  move.asker_dies_after = sometimes(40);
  move.source_dies_after = sometimes(20);
  move.target_dies_after = sometimes(25);
  return move;
}

/// Drains and migrations, in some of the seeds with more than one edge. From a copy, as choose_doors().
void choose_moves(Plan& plan, Chance chance) {
  if (plan.edges.size() < 2 || chance.percent(20)) return;
  plan.calm = chance.percent(30);
  for (edge::Config& edge : plan.edges) {
    edge.drain_lb_settle = Millis{static_cast<std::int64_t>(chance.between(0, 1'000))};
    edge.drain_offer = Millis{static_cast<std::int64_t>(chance.between(500, 5'000))};
    edge.drain_bye_wait = Millis{static_cast<std::int64_t>(chance.between(100, 2'000))};
    edge.drain_start_per_s = static_cast<std::int64_t>(chance.between(1, 50));
  }
  for (ClientPlan& client : plan.clients) client.follows = chance.percent(60);
  const std::size_t moves = chance.between(1, 3);
  for (std::size_t i = 0; i < moves; ++i) plan.moves.push_back(move_of(chance, plan));
  if (moves > 1 && chance.percent(50))  // at once
    plan.moves[1].at = plan.moves[0].at + static_cast<std::int64_t>(chance.between(0, 500));
  for (ClientPlan& client : plan.clients) client.trusts = chance.percent(30);
  if (chance.percent(30)) plan.broker.ticket_key_rotate_s = static_cast<std::int64_t>(chance.between(1, 4));
  if (!plan.calm) return;
  plan.troubles = 0;
  plan.unruly = false;
  for (ClientPlan& client : plan.clients) client.by_ticket = client.follows = true;
  for (edge::Config& edge : plan.edges) edge.drain_offer = Millis{5'000};
  plan.moves.resize(1);
  PlannedMove& only = plan.moves.front();
  only.at = static_cast<std::int64_t>(chance.between(4'500, 8'000));
  only.deadline_ms = 30'000;
  only.source_dies_after = only.target_dies_after = -1;
}

/// Tokens, in some of the seeds. From a copy, as choose_doors(), and after the moves.
void choose_tokens(Plan& plan, Chance chance) {
  (void)chance.next();
  if (!chance.percent(35)) return;
  using Habit = TokenPlan::Habit;
  plan.tokens = true;
  for (edge::Config& edge : plan.edges) {
    ask_for_tokens(edge);
    edge.auth_grace = Millis{static_cast<std::int64_t>(chance.between(500, 3'000))};
  }
  for (std::size_t i = 0; i < plan.clients.size(); ++i) {
    TokenPlan& tokens = plan.clients[i].tokens;
    tokens.subject = "subject-" + std::to_string(i);
    tokens.tenants = any_tenants(chance);
    tokens.lasts_ms = static_cast<std::int64_t>(chance.between(4'000, 12'000));
    tokens.habit = pick(chance, std::array{Habit::in_time, Habit::in_time, Habit::late, Habit::never});
    tokens.in_head = chance.percent(30);
    tokens.other_rows = chance.percent(50);
    if (plan.calm) tokens.habit = Habit::in_time;
  }
  if (plan.calm) {  // rows make positions late by a beacon, and nobody may come back too late
    plan.broker.history_max_count = broker::Config{}.history_max_count;
    plan.history_kept = true;
    return;
  }
  for (std::size_t n = chance.between(0, 3); n > 0; --n)
    plan.revocations.push_back(
        static_cast<std::int64_t>(chance.between(500, static_cast<std::uint64_t>(plan.chaos_ms))));
}

}  // namespace

Plan plan_of(Chance& chance) {
  Plan plan;
  plan.broker.memory_channels = {"mem/*"};
  if (chance.percent(25)) {
    plan.broker.history_max_count = static_cast<std::int64_t>(chance.between(5, 40));
    plan.history_kept = false;
  }
  if (chance.percent(20)) plan.broker.lag_max_bytes = 65'536;
  if (chance.percent(20)) plan.broker.read_max_count = static_cast<std::int64_t>(chance.between(1, 5));
  const bool tight = chance.percent(40);
  plan.padding = tight ? chance.between(500, 3'000) : chance.between(0, 100);
  const std::size_t edges = chance.between(1, 3);
  for (std::size_t i = 0; i < edges; ++i) plan.edges.push_back(edge_config(chance, i, tight));
  const std::size_t clients = chance.between(3, 6);
  for (std::size_t i = 0; i < clients; ++i)
    plan.clients.push_back({"c" + std::to_string(i), wanted_of(chance, i == 0), chance.percent(50)});
  plan.publishers = chance.between(1, 3);
  plan.updates = chance.between(60, 250);
  plan.chaos_ms = static_cast<std::int64_t>(chance.between(3'000, 12'000));
  plan.troubles = chance.between(0, 14);
  plan.unruly = chance.percent(30);
  choose_doors(plan, chance);
  choose_moves(plan, chance);
  choose_tokens(plan, chance);
  return plan;
}

std::string made_update(Chance& chance, const Plan& plan, const std::string& publisher,
                        std::uint64_t number) {
  std::string out = R"({"channel":")" +
                    std::string(chance.percent(60) ? kChannels[0] : pick(chance, kChannels)) +
                    R"(","event_id":")" + publisher + "-" + std::to_string(number) + R"(","actor":"sim")";
  if (chance.percent(10))
    return out + R"(,"kind":"noted","event":{"name":"note","data":{"n":)" + std::to_string(number) + "}}}";
  out += R"(,"key":"inc-)" + std::to_string(chance.between(1, 8)) + "\"";
  out += chance.percent(20) ? R"(,"kind":"noted")" : R"(,"kind":"updated")";
  if (chance.percent(10)) out += R"(,"if_version":)" + std::to_string(chance.between(1, 6));
  out += R"(,"incident":{"title":"n)" + std::to_string(number) + "\"";
  if (chance.percent(30)) out += R"(,"severity":")" + std::string(pick(chance, kSeverities)) + "\"";
  if (chance.percent(40)) out += R"(,"status":")" + std::string(pick(chance, kStatuses)) + "\"";
  const bool service = chance.percent(30);
  std::string labels =
      service ? R"("service":")" + std::string(pick(chance, kServices)) + "\"" : std::string();
  if (plan.tokens && chance.percent(70))
    labels += std::string(service ? "," : "") + R"("tenant":")" + std::string(pick(chance, kTenants)) + "\"";
  if (!labels.empty()) out += R"(,"labels":{)" + labels + "}";
  if (plan.padding > 0) out += R"(,"description":")" + std::string(plan.padding, 'x') + "\"";
  return out + "}}";
}

}  // namespace tocsin::sim
