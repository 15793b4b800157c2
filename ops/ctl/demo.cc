#include "ops/ctl/demo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "common/json/json.h"
#include "common/rfc3339.h"

namespace tocsin::ops {
namespace {

struct Service {
  std::string_view name, team, category, region;
};
constexpr auto kServices = std::to_array<Service>({
    {"checkout", "payments", "application", "eu-west"},
    {"card-gateway", "payments", "application", "eu-west"},
    {"search", "discovery", "application", "us-east"},
    {"login", "identity", "security", "eu-west"},
    {"orders-db", "storage", "database", "us-east"},
    {"cdn-edge", "network", "network", "ap-south"},
    {"mail-out", "messaging", "application", "us-east"},
    {"billing-batch", "finance", "batch", "eu-west"},
});
constexpr auto kSymptoms = std::to_array<std::string_view>({
    "error rate above 5 %",
    "p99 latency above 2 s",
    "certificate expires in 3 days",
    "disk 92 % full",
    "replica lags by 40 s",
    "health checks failing in one zone",
    "queue grows faster than it is read",
    "memory grows since the last release",
});
constexpr auto kPeople =
    std::to_array<std::string_view>({"ana", "björn", "chidi", "dilara", "emre", "farah", "goro", "hanna"});
constexpr auto kComments = std::to_array<std::string_view>({
    "rolled back the last release, watching",
    "vendor has confirmed the fault",
    "traffic moved to the other zone",
    "found a slow query, index is being built",
    "customers are informed",
    "same picture as last month",
});
constexpr std::size_t kTypicallyOpen = 40;

template <typename T>
std::string text_of(T value) {
  return json::quoted(std::string_view(value));
}

}  // namespace

DemoScript::DemoScript(std::uint64_t seed, std::string run, std::string channel, double rate)
    : random_(seed), run_(std::move(run)), channel_(std::move(channel)), rate_(rate) {}

std::size_t DemoScript::pick(std::size_t count) { return static_cast<std::size_t>(random_() % count); }
bool DemoScript::chance(double probability) {
  return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

Draft DemoScript::change(const Open& incident, std::string_view kind, std::string members) {
  Draft draft;
  draft.channel = channel_;
  draft.event_id = "demo:" + run_ + ":" + std::to_string(next_event_++);
  draft.kind = kind;
  draft.key = "DEMO-" + run_ + "-" + std::to_string(incident.number);
  draft.actor = kPeople[pick(kPeople.size())];
  draft.incident = "{" + members + "}";
  return draft;
}

Draft DemoScript::opened() {
  constexpr std::array<double, 3> kMoreSevereThan{0.04, 0.15, 0.5};  // P0, P1, P2; the rest is P3
  const double roll = static_cast<double>(random_() >> 11) * 0x1p-53;
  int severity = 0;
  for (const double bound : kMoreSevereThan) severity += roll >= bound ? 1 : 0;
  const Open incident{next_number_++, pick(kServices.size()), severity, Phase::detected, false};
  const Service& service = kServices[incident.service];
  const auto symptom = kSymptoms[pick(kSymptoms.size())];
  std::string members = "\"title\":" + json::quoted(std::string(service.name) + ": " + std::string(symptom));
  members += ",\"severity\":\"P" + std::to_string(severity) +
             "\",\"status\":\"detected\",\"category\":" + text_of(service.category);
  members += ",\"source\":\"demo\",\"environment\":\"production\",\"team\":" + text_of(service.team);
  members += ",\"affected_resources\":[" + text_of(service.name) +
             "],\"labels\":{\"service\":" + text_of(service.name) + ",\"region\":" + text_of(service.region) +
             "}";
  Draft draft = change(incident, "created", std::move(members));
  draft.actor = "monitoring";
  open_.push_back(incident);
  return draft;
}

Draft DemoScript::moved(std::size_t index) {
  Open& incident = open_[index];
  if (incident.phase != Phase::resolved && chance(0.3))
    return change(incident, "commented",
                  "\"metadata\":{\"comment\":" + text_of(kComments[pick(kComments.size())]) + "}");
  if (incident.phase < Phase::monitoring && incident.severity > 0 && chance(0.1))
    return change(incident, "escalated",
                  "\"severity\":\"P" + std::to_string(--incident.severity) + "\",\"status\":\"escalated\"");
  switch (incident.phase) {
    case Phase::detected: {
      incident.phase = Phase::acknowledged;
      Draft draft = change(incident, "acknowledged", "");
      draft.incident = R"({"status":"acknowledged","assignees":[)" + json::quoted(draft.actor) + "]}";
      return draft;
    }
    case Phase::acknowledged:
      incident.phase = Phase::investigating;
      return change(incident, "state_changed", R"("status":"investigating")");
    case Phase::investigating:
      incident.phase = Phase::identified;
      return change(incident, "state_changed", R"("status":"identified")");
    case Phase::identified:
      incident.phase = Phase::monitoring;
      return change(incident, "state_changed", R"("status":"monitoring")");
    case Phase::monitoring:
      incident.phase = Phase::resolved;
      return change(incident, "resolved",
                    R"("status":"resolved","resolution":{"summary":)" +
                        text_of(kComments[pick(kComments.size())]) + "}");
    case Phase::resolved:
      break;
  }
  if (!incident.reopened && chance(0.08)) {
    incident.reopened = true;
    incident.phase = Phase::investigating;
    return change(incident, "reopened", R"("status":"investigating")");
  }
  Draft draft = change(incident, "closed", R"("status":"closed")");
  open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  return draft;
}

DemoScript::Step DemoScript::next(std::int64_t wall_ms) {
  // The more are open, the more hands are busy with them: the number hovers about kTypicallyOpen.
  const double open = static_cast<double>(open_.size());
  const bool opens = open_.empty() || chance(std::clamp(0.5 - open / (4.0 * kTypicallyOpen), 0.05, 0.5));
  Step step{opens ? opened() : moved(pick(open_.size())), Millis{0}};
  step.draft.at = rfc3339(wall_ms);
  if (rate_ > 0) {
    const double uniform = (static_cast<double>(random_() >> 11) + 1.0) * 0x1p-53;
    step.wait = Millis{static_cast<std::int64_t>(std::min(-std::log(uniform) / rate_ * 1000.0, 60'000.0))};
  }
  return step;
}

}  // namespace tocsin::ops
