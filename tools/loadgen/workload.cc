#include "tools/loadgen/workload.h"

#include <algorithm>
#include <array>

namespace tocsin::loadgen {
namespace {

/// What a payload and an incident hold beside the padding, about.
constexpr std::size_t kPayloadOverhead = 32;
constexpr std::size_t kIncidentOverhead = 560;

constexpr std::array<std::string_view, 48> kWords{
    "latency",   "of",      "the",    "checkout",  "service", "is",       "above",    "its",
    "objective", "since",   "deploy", "on",        "replica", "lag",      "grew",     "to",
    "minutes",   "and",     "alerts", "fire",      "for",     "region",   "eu-west",  "queue",
    "depth",     "doubled", "after",  "failover",  "primary", "database", "timeouts", "in",
    "api",       "gateway", "errors", "customers", "see",     "failed",   "orders",   "rollback",
    "started",   "by",      "owner",  "traffic",   "shifted", "error",    "budget",   "burned"};
constexpr std::array<std::string_view, 5> kStatus{"triaged", "investigating", "identified", "remediating",
                                                  "monitoring"};

/// SplitMix64 (Steele, Lea, Flood 2014): the same text for the same update in every run.
std::uint64_t mix(std::uint64_t& state) {
  std::uint64_t z = state += 0x9E3779B97F4A7C15U;
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
  return z ^ z >> 31U;
}

std::string number(std::uint64_t n) { return std::to_string(n); }

}  // namespace

Workload::Workload(WorkloadPlan plan) : plan_(std::move(plan)) {
  const std::uint32_t shares = std::max({plan_.channels, plan_.filters, 1U});
  listeners_.resize(shares, 0);
  for (std::uint32_t i = plan_.stalled; i < plan_.connections; ++i) ++listeners_[i % shares];
  pad_.assign(std::max<std::size_t>(plan_.payload_bytes, plan_.overhead + kPayloadOverhead + 1) -
                  plan_.overhead - kPayloadOverhead,
              'x');
}

std::string Workload::channel(std::uint64_t share) const {
  return plan_.channels > 1 ? plan_.channel + "-" + number(share) : plan_.channel;
}

/// Different filters ask by different members: a service label, the incident, the team.
Topic Workload::topic(std::uint32_t listener) const {
  const std::uint64_t share = listener % shares();
  Topic topic{channel(share), plan_.filter};
  if (plan_.filters == 0) return topic;
  const std::string value = number(share) + "\"]}";
  switch (share % 3) {
    case 0:
      topic.filter = R"({"labels":{"service":["svc-)" + value + "}";
      break;
    case 1:
      topic.filter = R"({"incident":["inc-)" + value;
      break;
    default:
      topic.filter = R"({"team":["team-)" + value;
      break;
  }
  return topic;
}

std::uint64_t Workload::wanted(std::uint32_t listener, std::uint64_t published) const {
  return published / shares() + (listener % shares() < published % shares() ? 1 : 0);
}

void Workload::write_words(std::size_t bytes, std::uint64_t seed) {
  for (std::size_t end = incident_.size() + bytes; incident_.size() < end;) {
    const auto r = mix(seed);
    incident_.append(kWords[r % kWords.size()]).push_back(' ');
    if (r >> 60U == 0) incident_.append(number(r >> 40U & 0xFFFFU)).push_back(' ');
  }
}

/// An incident as a console shows it, with the payload in its metadata.
void Workload::write_incident(std::uint64_t n, std::string_view payload) {
  std::uint64_t state = n;
  const std::uint64_t r = mix(state);
  const std::string share = number(plan_.filters > 0 ? n % plan_.filters : n % 200);
  incident_.assign(R"({"id":"inc-)").append(share).append(R"(","title":")");
  if (plan_.payload_bytes > kIncidentOverhead) write_words(48, n % 200);
  incident_.append(R"(","severity":"P)")
      .append(number(1 + r % 4))
      .append(R"(","status":")")
      .append(kStatus[r % kStatus.size()]);
  incident_
      .append(R"(","category":"availability","source":"monitoring","environment":"production","team":"team-)")
      .append(share);
  incident_.append(R"(","labels":{"service":"svc-)")
      .append(share)
      .append(R"(","region":"eu-west-)")
      .append(number(1 + r % 3));
  incident_.append(R"("},"assignees":["user-)")
      .append(number(r >> 8U & 0xFFU))
      .append(R"("],"description":")");
  if (plan_.payload_bytes > kIncidentOverhead) write_words(plan_.payload_bytes - kIncidentOverhead, r);
  incident_.append(R"(","metadata":)").append(payload).append("}");
}

Message Workload::message(std::uint64_t n, std::uint64_t due_us) {
  channel_ = channel(n % shares());
  payload_.assign("{\"t\":").append(number(due_us)).append(",\"n\":").append(number(n + 1));
  if (plan_.incidents || plan_.filters > 0) {
    payload_.append("}");
    write_incident(n, payload_);
    return {due_us, channel_, incident_, incident_};
  }
  payload_.append(",\"pad\":\"").append(pad_).append("\"}");
  return {due_us, channel_, payload_, {}};
}

}  // namespace tocsin::loadgen
