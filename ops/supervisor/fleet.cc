#include "ops/supervisor/fleet.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "ops/cluster/members.h"

namespace tocsin::ops {

std::int64_t ordinal_of(const std::string& edge) {
  constexpr std::string_view kPrefix = "edge-";
  std::int64_t number = -1;
  if (!edge.starts_with(kPrefix)) return -1;
  const char* end = edge.data() + edge.size();
  const auto [rest, failed] = std::from_chars(edge.data() + kPrefix.size(), end, number);
  return failed == std::errc{} && rest == end ? number : -1;
}

std::vector<std::string> Fleet::names() const {
  std::vector<std::string> out;
  for (const auto& entry : edges) out.push_back(entry.first);
  const auto rank = [](const std::string& name) {
    const std::int64_t number = ordinal_of(name);
    return number < 0 ? std::numeric_limits<std::int64_t>::max() : number;
  };
  std::stable_sort(out.begin(), out.end(),
                   [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
  return out;
}

std::string Fleet::to_json() const {
  std::string out;
  Members members(out);
  members.lead("asked");
  Members(out)
      .number("edges", asked.edges)
      .text("programs", asked.programs)
      .text("config_file", asked.config_file)
      .text("config_hash", asked.config_hash)
      .end();
  members.raw("release", release.to_json()).raw("broker", broker.to_json());
  members.lead("edges");
  Members list(out);
  for (const auto& [name, of] : edges) list.raw(name, of.to_json());
  list.end();
  members.texts("cordoned", cordoned).flag("maintenance", maintenance).end();
  return out;
}

Result<Fleet> Fleet::parse(const json::Value& value) {
  const Error broken{Errc::invalid_argument, "fleet: a member is missing or of a wrong type"};
  const json::Value* asked = json::find(value, "asked");
  const json::Value* release = json::find(value, "release");
  const json::Value* broker = json::find(value, "broker");
  const json::Value* edges = json::find(value, "edges");
  if (asked == nullptr || release == nullptr || broker == nullptr || edges == nullptr || !edges->IsObject())
    return broken;
  Fleet fleet;
  const auto count = json::uint_member(*asked, "edges");
  const auto programs = json::string_member(*asked, "programs");
  const auto config_file = json::string_member(*asked, "config_file");
  const auto config_hash = json::string_member(*asked, "config_hash");
  if (!count || !*count || **count > 1000 || !programs || !config_file || !config_hash) return broken;
  fleet.asked = {static_cast<std::int64_t>(**count), std::string(programs->value_or("")),
                 std::string(config_file->value_or("")), std::string(config_hash->value_or(""))};
  const auto of_all = Release::parse(*release);
  const auto of_broker = Release::parse(*broker);
  if (!of_all || !of_broker) return broken;
  fleet.release = *of_all;
  fleet.broker = *of_broker;
  for (const auto& member : edges->GetObject()) {
    const auto of = Release::parse(member.value);
    if (!of) return broken;
    fleet.edges.emplace(std::string(json::view(member.name)), *of);
  }
  if (const json::Value* cordoned = json::find(value, "cordoned"); cordoned != nullptr && cordoned->IsArray())
    for (const json::Value& item : cordoned->GetArray())
      if (item.IsString()) fleet.cordoned.emplace(json::view(item));
  const auto maintenance = json::bool_member(value, "maintenance");
  if (!maintenance) return broken;
  fleet.maintenance = maintenance->value_or(false);
  return fleet;
}

void settle(Fleet& fleet, const Config& config, const std::string& config_file,
            const std::string& own_programs) {
  const Fleet::Asked asked{config.edges, config.programs.empty() ? own_programs : config.programs,
                           config_file, hash_of_file(config_file)};
  const Fleet::Asked before = fleet.asked;
  fleet.asked = asked;
  const bool first = before.edges < 0;
  const bool other = before.programs != asked.programs || before.config_file != asked.config_file ||
                     before.config_hash != asked.config_hash;
  if (first || other) {
    const std::uint64_t revision = first ? 1 : fleet.release.revision + 1;
    fleet.release = {asked.programs, asked.config_file, asked.config_hash, revision};
    fleet.broker = fleet.release;
    for (auto& entry : fleet.edges) entry.second = fleet.release;
  }
  if (!first && before.edges == asked.edges) return;
  std::map<std::string, Release> edges;
  for (std::int64_t i = 0; i < asked.edges; ++i) {
    const std::string name = "edge-" + std::to_string(i);
    const auto known = fleet.edges.find(name);
    edges.emplace(name, known == fleet.edges.end() ? fleet.release : known->second);
  }
  fleet.edges = std::move(edges);
  std::erase_if(fleet.cordoned, [&](const std::string& name) { return !fleet.edges.contains(name); });
}

}  // namespace tocsin::ops
