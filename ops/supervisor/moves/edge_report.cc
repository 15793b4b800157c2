#include "ops/supervisor/moves/edge_report.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/cluster/members.h"

namespace tocsin::ops {
namespace {

using Number = std::uint64_t EdgeReport::*;
constexpr auto kCounts = std::to_array<std::pair<std::string_view, Number>>({
    {"planned", &EdgeReport::planned},
    {"offered", &EdgeReport::offered},
    {"migrated", &EdgeReport::migrated},
    {"resumed", &EdgeReport::resumed},
    {"resumed_snapshot", &EdgeReport::resumed_snapshot},
    {"lost", &EdgeReport::lost},
    {"closed", &EdgeReport::closed},
    {"left", &EdgeReport::left},
    {"returned", &EdgeReport::returned},
    {"remaining", &EdgeReport::remaining},
    {"duplicates_suppressed", &EdgeReport::duplicates_suppressed},
});
constexpr auto kTimes = std::to_array<std::pair<std::string_view, Number>>({
    {"planned_ms", &EdgeReport::planned_ms},
    {"elapsed_ms", &EdgeReport::elapsed_ms},
    {"peak_handshakes_per_s", &EdgeReport::peak_handshakes_per_s},
    {"rate_per_s", &EdgeReport::rate_per_s},
});
constexpr auto kBlackouts = std::to_array<std::pair<std::string_view, Number>>({
    {"p50", &EdgeReport::blackout_p50},
    {"p99", &EdgeReport::blackout_p99},
    {"max", &EdgeReport::blackout_max},
});

/// A whole number, also where it was written as a fraction.
std::uint64_t number_of(const json::Value& object, std::string_view name) {
  const json::Value* member = json::find(object, name);
  if (member == nullptr || !member->IsNumber()) return 0;
  if (member->IsUint64()) return member->GetUint64();
  return static_cast<std::uint64_t>(std::max(0.0, member->GetDouble()));
}

std::string text_of(const json::Value& object, std::string_view name) {
  const json::Value* member = json::find(object, name);
  return member != nullptr && member->IsString() ? std::string(json::view(*member)) : std::string();
}

}  // namespace

void EdgeReport::add(const EdgeReport& other) {
  for (const auto& [name, member] : kCounts) this->*member += other.*member;
  for (const auto& [name, member] : kTimes) this->*member = std::max(this->*member, other.*member);
  for (const auto& [name, member] : kBlackouts) this->*member = std::max(this->*member, other.*member);
  for (const auto& [target, count] : other.targets) targets[target] += count;
  if (paused_reason.empty()) paused_reason = other.paused_reason;
}

std::string EdgeReport::to_json() const {
  std::string out;
  Members members(out);
  members.text("id", id).text("kind", kind).text("edge", edge).text("state", state);
  members.number("started_ms", static_cast<std::int64_t>(started_ms));
  for (const auto& [name, member] : kTimes) members.number(name, static_cast<std::int64_t>(this->*member));
  for (const auto& [name, member] : kCounts) members.number(name, static_cast<std::int64_t>(this->*member));
  members.lead("blackout_ms");
  Members blackout(out);
  for (const auto& [name, member] : kBlackouts)
    blackout.number(name, static_cast<std::int64_t>(this->*member));
  blackout.end();
  members.lead("targets");
  Members to(out);
  for (const auto& [target, count] : targets) to.number(target, static_cast<std::int64_t>(count));
  to.end();
  members.text("paused_reason", paused_reason).end();
  return out;
}

Result<EdgeReport> EdgeReport::parse(const json::Value& value) {
  EdgeReport report;
  if (!value.IsObject()) return Error{Errc::invalid_argument, "a report must be an object"};
  report.id = text_of(value, "id");
  report.kind = text_of(value, "kind");
  report.edge = text_of(value, "edge");
  report.state = text_of(value, "state");
  report.paused_reason = text_of(value, "paused_reason");
  if (report.state.empty()) return Error{Errc::invalid_argument, "a report must have a state"};
  report.started_ms = number_of(value, "started_ms");
  for (const auto& [name, member] : kCounts) report.*member = number_of(value, name);
  for (const auto& [name, member] : kTimes) report.*member = number_of(value, name);
  if (const json::Value* blackout = json::find(value, "blackout_ms"); blackout != nullptr)
    for (const auto& [name, member] : kBlackouts) report.*member = number_of(*blackout, name);
  if (const json::Value* targets = json::find(value, "targets"); targets != nullptr && targets->IsObject())
    for (const auto& member : targets->GetObject())
      if (member.value.IsUint64())
        report.targets.emplace(std::string(json::view(member.name)), member.value.GetUint64());
  return report;
}

}  // namespace tocsin::ops
