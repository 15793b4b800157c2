#pragma once
// Filter: a conjunction of IN-lists over an update (protocol.md section 1). Facts: what filters look at,
// taken from an update once. Values and pure functions; any thread.
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/constraint.h"
#include "common/json/json.h"
#include "common/result.h"
#include "proto/update.h"

namespace tocsin {

/// What a filter can look at. Incident members are empty for application events.
struct Facts {
  std::string severity;
  std::string status;
  std::string kind;
  std::string category;
  std::string source;
  std::string environment;
  std::string team;
  std::string incident;  ///< the key
  std::vector<std::pair<std::string, std::string>> labels;
  bool has_incident = false;
  bool ends = false;

  [[nodiscard]] bool terminal() const noexcept { return status == "resolved" || status == "closed"; }
};

/// Reads the facts of an update. The incident JSON came from the broker, so it parses; if it does not, the
/// facts have no incident.
[[nodiscard]] Facts facts_of(const Update& update);
/// Facts of a current incident (a snapshot row): kind is empty.
[[nodiscard]] Facts facts_of_incident(std::string_view key, std::string_view incident_json);

struct Filter {
  // Each list is sorted and unique (parse() and normalise() see to it). Empty: restricts nothing.
  std::vector<std::string> severity, status, kind, category, source, environment, team, incident;
  std::map<std::string, std::vector<std::string>> labels;
  bool active = false;
  /// What its holder may see at all (PROTOCOL 9.6), whatever the lists say. Part of the filter, so that who
  /// may see other rows never shares an audience, a snapshot or a replay.
  Constraints within;

  /// What a client says: `within` is not the client's to set. Limits: at most 64 values in a list, 16 labels,
  /// 200 bytes a value; unknown members are ignored. Fails with invalid_argument that names the member.
  [[nodiscard]] static Result<Filter> parse(const json::Value& value);
  [[nodiscard]] static Result<Filter> parse(std::string_view json);
  /// What canonical() wrote: `within` too.
  [[nodiscard]] static Result<Filter> parse_canonical(std::string_view json);
  void normalise();

  /// Canonical JSON; equal for equal filters, so it is also their identity.
  [[nodiscard]] std::string canonical() const;
  [[nodiscard]] bool empty() const noexcept;

  /// True when the update passes. `active` keeps the update that ends an incident.
  [[nodiscard]] bool matches(const Facts& facts) const;
  /// The same for a row of current state: the kind list is not applied, and active means not resolved or
  /// closed.
  [[nodiscard]] bool matches_state(const Facts& facts) const;
};

/// Whether every constraint holds. What is no incident - an application event - has no members, so it is
/// inside of none; nor is an incident that names a constrained label twice with another value.
[[nodiscard]] bool inside(const Constraints& within, const Facts& facts);
/// {"label.tenant":["a"],"team":[]}; empty for no constraints.
[[nodiscard]] std::string to_json(const Constraints& within);
/// Fails with invalid_argument.
[[nodiscard]] Result<Constraints> parse_constraints(std::string_view json);

}  // namespace tocsin
