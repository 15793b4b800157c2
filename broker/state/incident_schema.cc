#include "broker/state/incident_schema.h"

#include <algorithm>
#include <string>

#include "common/rfc3339.h"

namespace tocsin::broker {
namespace {

constexpr auto kSeverities = std::to_array<std::string_view>({"P0", "P1", "P2", "P3", "P4"});
constexpr auto kStatuses =
    std::to_array<std::string_view>({"detected", "acknowledged", "triaged", "investigating", "identified",
                                     "remediating", "monitoring", "escalated", "resolved", "closed"});

template <std::size_t N>
bool one_of(const std::array<std::string_view, N>& allowed, const json::Value& v) {
  return v.IsString() && std::find(allowed.begin(), allowed.end(), json::view(v)) != allowed.end();
}

bool all_texts(const json::Value& v) {
  return v.IsArray() &&
         std::all_of(v.Begin(), v.End(), [](const json::Value& item) { return item.IsString(); });
}

/// In a patch a label may be null: that takes it away.
bool all_labels(const json::Value& v) {
  return v.IsObject() && std::all_of(v.MemberBegin(), v.MemberEnd(),
                                     [](const auto& m) { return m.value.IsString() || m.value.IsNull(); });
}

/// What the member must be; empty when `v` is that.
std::string_view complaint(MemberType type, const json::Value& v) {
  switch (type) {
    case MemberType::text:
      return v.IsString() || v.IsNull() ? "" : "must be a string";
    case MemberType::severity:
      return one_of(kSeverities, v) ? "" : "must be one of P0 P1 P2 P3 P4";
    case MemberType::status:
      return one_of(kStatuses, v)
                 ? ""
                 : "must be one of detected acknowledged triaged investigating identified remediating monitoring "
                   "escalated resolved closed";
    case MemberType::time:
      return v.IsNull() || (v.IsString() && parse_rfc3339(json::view(v))) ? ""
                                                                          : "must be an RFC 3339 date-time";
    case MemberType::texts:
      return v.IsNull() || all_texts(v) ? "" : "must be a list of strings";
    case MemberType::labels:
      return v.IsNull() || all_labels(v) ? "" : "must be an object of strings";
    case MemberType::object:
      return v.IsNull() || v.IsObject() ? "" : "must be an object";
    case MemberType::number:
      return v.IsNull() || v.IsUint64() ? "" : "must be a whole number from 0";
  }
  return "";
}

}  // namespace

const IncidentMember* find_member(std::string_view name) noexcept {
  const auto* at = std::find_if(kIncidentMembers.begin(), kIncidentMembers.end(),
                                [name](const auto& m) { return m.name == name; });
  return at != kIncidentMembers.end() ? at : nullptr;
}

Status check_incident_member(std::string_view name, const json::Value& value) {
  const IncidentMember* member = find_member(name);
  if (member == nullptr) return Done{};
  const auto wrong = complaint(member->type, value);
  if (wrong.empty()) return Done{};
  return Error{Errc::invalid_argument, "incident \"" + std::string(name) + "\" " + std::string(wrong)};
}

}  // namespace tocsin::broker
