#pragma once
// The members of an incident (protocol.md section 2): order, type, allowed values. Anything else in an
// incident is kept as it is. Pure data and functions; any thread.
#include <array>
#include <cstdint>
#include <string_view>

#include "common/json/json.h"
#include "common/result.h"

namespace tocsin::broker {

enum class MemberType : std::uint8_t { text, severity, status, time, texts, labels, object, number };

struct IncidentMember {
  std::string_view name;
  MemberType type;
};

inline constexpr auto kIncidentMembers = std::to_array<IncidentMember>({
    {"id", MemberType::text},
    {"title", MemberType::text},
    {"description", MemberType::text},
    {"severity", MemberType::severity},
    {"status", MemberType::status},
    {"category", MemberType::text},
    {"source", MemberType::text},
    {"environment", MemberType::text},
    {"affected_resources", MemberType::texts},
    {"labels", MemberType::labels},
    {"assignees", MemberType::texts},
    {"team", MemberType::text},
    {"created_at", MemberType::time},
    {"updated_at", MemberType::time},
    {"acknowledged_at", MemberType::time},
    {"resolved_at", MemberType::time},
    {"closed_at", MemberType::time},
    {"version", MemberType::number},
    {"resolution", MemberType::object},
    {"metadata", MemberType::object},
});

/// The row of a known member, or nullptr.
[[nodiscard]] const IncidentMember* find_member(std::string_view name) noexcept;

/// Checks a member as a publisher states it. null (take it away) is allowed but for severity and status. An
/// unknown member is always right. Fails with invalid_argument that names the member and what it must be.
[[nodiscard]] Status check_incident_member(std::string_view name, const json::Value& value);

}  // namespace tocsin::broker
