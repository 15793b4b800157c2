#pragma once
// ServiceNow incident logs as updates: one row of the CSV is one change of one incident.
//
//   number            key, incident.id         priority 1..4      severity P0..P3 ("1 - Critical" is P0)
//   incident_state    status: New detected, Active investigating, Awaiting User Info triaged, Awaiting
//   Problem identified,
//                     Awaiting Vendor escalated, Awaiting Evidence monitoring, Resolved, Closed; -100 (none
//                     recorded): unchanged
//   sys_updated_at    at (taken as UTC)        sys_updated_by     actor
//   category          category                 subcategory, u_symptom, location, contact_type, impact,
//   urgency, cmdb_ci  labels assignment_group  team                     assigned_to        assignees
//   closed_code, resolved_by, resolved_at, closed_at              resolution, once the incident is resolved
//   opened_at, opened_by, caller_id, counters, problem_id, ...    metadata
//
// "?" means missing: the member stays as it was. The kind is derived from the row before of the same
// incident. Values and one small state machine; one thread.
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/result.h"
#include "proto/update.h"

namespace tocsin::ops {

/// "29/2/2016 01:23" -> milliseconds since 1970. Fails with invalid_argument; the 30th of February does too.
[[nodiscard]] Result<std::int64_t> parse_servicenow_time(std::string_view text);

/// The columns of the header row, by name.
class ServiceNowColumns {
 public:
  /// Fails with invalid_argument that names the columns without which a row says nothing: number,
  /// incident_state, sys_updated_at.
  [[nodiscard]] static Result<ServiceNowColumns> parse(const std::vector<std::string>& header);
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  /// The place of a column in a row; kNone when the file has no such column.
  [[nodiscard]] std::size_t place(std::string_view column) const;
  /// The field of a column; empty when the file has no such column or the field is "?".
  [[nodiscard]] std::string_view field(const std::vector<std::string>& row, std::string_view column) const {
    return field_at(row, place(column));
  }
  [[nodiscard]] static std::string_view field_at(const std::vector<std::string>& row, std::size_t place);
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::unordered_map<std::string, std::size_t> index_;
  std::size_t count_ = 0;
};

class ServiceNowMapper {
 public:
  ServiceNowMapper(const ServiceNowColumns& columns, std::string channel);

  /// The update of `row`. Rows of one incident must come in order of time. The event_id depends on the row
  /// alone, so that the same row gives the same one in every replay. Fails with invalid_argument that names
  /// the column; nothing is remembered then.
  [[nodiscard]] Result<Draft> map(const std::vector<std::string>& row);

 private:
  /// What of an incident's last row decides the next one's kind, and which members need not be said again.
  struct Seen {
    std::string status;
    std::string severity;
    std::string assignment;
    std::vector<std::uint64_t> members;  ///< hashes of their JSON: a tenth of its memory
  };
  [[nodiscard]] static std::string_view kind_of(const Seen* before, const Seen& now);
  [[nodiscard]] std::vector<std::string> members_of(const std::vector<std::string>& row,
                                                    const Seen& now) const;

  /// A column's place, and the name of the member that it becomes.
  struct Source {
    std::size_t place;
    std::string_view to;
  };
  struct Places {
    std::size_t number, state, priority, updated_at, updated_by, category, subcategory, symptom, group,
        assignee, opened_at, resolved_at;
    std::vector<Source> labels, metadata, resolution;
  };
  static void append_texts(std::string& out, const std::vector<Source>& sources,
                           const std::vector<std::string>& row);
  [[nodiscard]] std::string resolution_json(const std::vector<std::string>& row) const;

  std::size_t column_count_;
  Places at_;
  std::string channel_;
  std::unordered_map<std::string, Seen> seen_;
};

}  // namespace tocsin::ops
