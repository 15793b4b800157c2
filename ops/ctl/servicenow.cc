#include "ops/ctl/servicenow.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "common/json/json.h"
#include "common/rfc3339.h"

namespace tocsin::ops {
namespace {

struct Mapping {
  std::string_view from;
  std::string_view to;
};
constexpr auto kStatuses = std::to_array<Mapping>({
    {"New", "detected"},
    {"Active", "investigating"},
    {"Awaiting User Info", "triaged"},
    {"Awaiting Problem", "identified"},
    {"Awaiting Vendor", "escalated"},
    {"Awaiting Evidence", "monitoring"},
    {"Resolved", "resolved"},
    {"Closed", "closed"},
    {"-100", ""},
});
constexpr auto kLabels = std::to_array<Mapping>({
    {"cmdb_ci", "service"},
    {"subcategory", "subcategory"},
    {"u_symptom", "symptom"},
    {"location", "location"},
    {"contact_type", "contact_type"},
    {"impact", "impact"},
    {"urgency", "urgency"},
});
// sys_mod_count is left out: it changes with every row and says nothing that the version does not.
constexpr auto kMetadata = std::to_array<Mapping>({
    {"opened_by", "opened_by"},
    {"caller_id", "caller"},
    {"reassignment_count", "reassignment_count"},
    {"reopen_count", "reopen_count"},
    {"made_sla", "made_sla"},
    {"problem_id", "problem"},
    {"rfc", "change"},
    {"vendor", "vendor"},
    {"caused_by", "caused_by"},
});

bool terminal(std::string_view status) { return status == "resolved" || status == "closed"; }

/// FNV-1a over texts; 64 bits tell apart the rows of one incident, and the values of one member, with room to spare.
class Hash {
 public:
  void add(std::string_view text) {
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(0x1F);
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_; }

 private:
  void mix(unsigned char c) { hash_ = (hash_ ^ c) * 1099511628211ULL; }
  std::uint64_t hash_ = 14695981039346656037ULL;
};

std::uint64_t hash_of(const std::vector<std::string>& row) {
  Hash hash;
  for (const std::string& field : row) hash.add(field);
  return hash.value();
}

std::uint64_t hash_of(std::string_view text) {
  Hash hash;
  hash.add(text);
  return hash.value();
}

std::string member(std::string_view name, std::string_view json) {
  std::string out = json::quoted(name);
  return out.append(":").append(json);
}

/// {"name":"value",...} of the columns that have a value.
template <std::size_t N>
void append_texts(std::string& out, const std::array<Mapping, N>& mappings, const ServiceNowColumns& columns,
                  const std::vector<std::string>& row) {
  for (const Mapping& m : mappings) {
    const auto value = columns.field(row, m.from);
    if (value.empty()) continue;
    if (out.back() != '{') out += ',';
    out += member(m.to, json::quoted(value));
  }
}

void append_time(std::string& out, std::string_view name, std::string_view text) {
  const auto at = parse_servicenow_time(text);   // an unreadable time beside the point is left out, it does not fail the row
  if (!at) return;
  if (out.back() != '{') out += ',';
  out += member(name, json::quoted(rfc3339(*at)));
}

std::string resolution_json(const ServiceNowColumns& columns, const std::vector<std::string>& row) {
  constexpr auto kResolution = std::to_array<Mapping>({{"closed_code", "code"}, {"resolved_by", "by"}});
  std::string out = "{";
  append_texts(out, kResolution, columns, row);
  append_time(out, "at", columns.field(row, "resolved_at"));
  return out + "}";
}

}  // namespace

Result<std::int64_t> parse_servicenow_time(std::string_view text) {
  std::array<int, 5> part{};   // day month year hour minute
  constexpr std::string_view kSeparators = "// :";
  const char* at = text.data();
  const char* const end = at + text.size();
  const Error wrong{Errc::invalid_argument, "\"" + std::string(text) + "\" is not day/month/year hour:minute"};
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto [next, ec] = std::from_chars(at, end, part[i]);
    if (ec != std::errc{} || part[i] < 0) return wrong;
    at = next;
    if (i < kSeparators.size() && (at == end || *at++ != kSeparators[i])) return wrong;
  }
  const auto [day, month, year, hour, minute] = part;
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (at != end || year < 1970 || year > 9999 || !date.ok() || hour > 23 || minute > 59) return wrong;
  const auto time = std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute};
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Result<ServiceNowColumns> ServiceNowColumns::parse(const std::vector<std::string>& header) {
  ServiceNowColumns columns;
  columns.count_ = header.size();
  for (std::size_t i = 0; i < header.size(); ++i) columns.index_.emplace(header[i], i);
  for (const char* needed : {"number", "incident_state", "sys_updated_at"}) {
    if (!columns.index_.contains(needed))
      return Error{Errc::invalid_argument, std::string("the header has no column \"") + needed + "\": not a ServiceNow incident log"};
  }
  return columns;
}

std::string_view ServiceNowColumns::field(const std::vector<std::string>& row, std::string_view column) const {
  const auto found = index_.find(std::string(column));
  if (found == index_.end() || found->second >= row.size()) return {};
  const std::string& value = row[found->second];
  return value == "?" ? std::string_view{} : std::string_view(value);
}

std::string_view ServiceNowMapper::kind_of(const Seen* before, const Seen& now) {
  if (before == nullptr) return "created";
  if (terminal(before->status) && !terminal(now.status)) return "reopened";
  if (before->status != now.status) {
    if (terminal(now.status)) return now.status;
    return now.status == "escalated" ? "escalated" : "state_changed";
  }
  if (now.severity < before->severity) return "escalated";   // P0 < P1
  return before->assignment != now.assignment ? "assigned" : "updated";
}

std::vector<std::string> ServiceNowMapper::members_of(const std::vector<std::string>& row, const Seen& now) const {
  const auto field = [&](std::string_view column) { return columns_.field(row, column); };
  std::vector<std::string> out;
  std::string title(field("category"));
  for (const std::string_view more : {field("subcategory"), field("u_symptom")}) {
    if (more.empty()) continue;
    if (!title.empty()) title += ", ";
    title += more;
  }
  out.push_back(member("title", json::quoted(title.empty() ? std::string(field("number")) : title)));
  if (!now.severity.empty()) out.push_back(member("severity", json::quoted(now.severity)));
  if (!now.status.empty()) out.push_back(member("status", json::quoted(now.status)));
  if (!field("category").empty()) out.push_back(member("category", json::quoted(field("category"))));
  out.push_back(member("source", "\"servicenow\""));
  out.push_back(member("environment", "\"production\""));
  if (!field("assignment_group").empty()) out.push_back(member("team", json::quoted(field("assignment_group"))));
  out.push_back(member("assignees", field("assigned_to").empty() ? "[]" : "[" + json::quoted(field("assigned_to")) + "]"));
  std::string labels = "{";
  append_texts(labels, kLabels, columns_, row);
  out.push_back(member("labels", labels + "}"));
  std::string metadata = "{";
  append_texts(metadata, kMetadata, columns_, row);
  append_time(metadata, "opened_at", field("opened_at"));
  out.push_back(member("metadata", metadata + "}"));
  // The log repeats on every row how the incident will end; nobody could have known before it did.
  if (terminal(now.status)) out.push_back(member("resolution", resolution_json(columns_, row)));
  return out;
}

Result<Draft> ServiceNowMapper::map(const std::vector<std::string>& row) {
  const auto invalid = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  if (row.size() != columns_.count())
    return invalid(std::to_string(row.size()) + " fields instead of " + std::to_string(columns_.count()));
  for (const std::string& field : row)
    if (!json::valid_utf8(field)) return invalid("a field is not UTF-8");
  const auto number = columns_.field(row, "number");
  if (number.empty() || number.size() > kMaxKey) return invalid("number is missing or too long");
  const auto at = parse_servicenow_time(columns_.field(row, "sys_updated_at"));
  if (!at) return invalid("sys_updated_at: " + at.error().detail);

  const auto found = seen_.find(std::string(number));
  const Seen* before = found == seen_.end() ? nullptr : &found->second;
  Seen now;
  const auto state = columns_.field(row, "incident_state");
  const auto* mapping = std::find_if(kStatuses.begin(), kStatuses.end(), [&](const Mapping& m) { return m.from == state; });
  if (mapping == kStatuses.end()) return invalid("incident_state \"" + std::string(state) + "\" is not known");
  now.status = mapping->to;
  if (now.status.empty()) now.status = before != nullptr ? before->status : "detected";
  const auto priority = columns_.field(row, "priority");
  if (!priority.empty()) {
    if (priority[0] < '1' || priority[0] > '4') return invalid("priority \"" + std::string(priority) + "\" is not 1 to 4");
    now.severity = {'P', static_cast<char>(priority[0] - 1)};
  }
  now.assignment = std::string(columns_.field(row, "assignment_group")) + '\n' + std::string(columns_.field(row, "assigned_to"));
  const std::vector<std::string> members = members_of(row, now);

  Draft draft;
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(hash_of(row)));
  draft.channel = channel_;
  draft.event_id = "servicenow:" + std::string(number) + ":" + hash;
  draft.kind = kind_of(before, now);
  draft.key = number;
  draft.at = rfc3339(*at);
  draft.actor = columns_.field(row, "sys_updated_by");
  draft.incident = "{";
  now.members.reserve(members.size());
  for (const std::string& m : members) {
    const std::uint64_t known = now.members.emplace_back(hash_of(m));
    if (before != nullptr && std::find(before->members.begin(), before->members.end(), known) != before->members.end()) continue;
    if (draft.incident.size() > 1) draft.incident += ',';
    draft.incident += m;
  }
  draft.incident += '}';
  seen_[std::string(number)] = std::move(now);
  return draft;
}

}  // namespace tocsin::ops
