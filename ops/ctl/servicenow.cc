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
constexpr auto kResolution = std::to_array<Mapping>({{"closed_code", "code"}, {"resolved_by", "by"}});
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

/// FNV-1a over texts; 64 bits tell apart the rows of one incident, and the values of one member, with room to
/// spare.
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
  std::string out;
  out.reserve(name.size() + json.size() + 3);
  return out.append("\"").append(name).append("\":").append(json);
}
/// The names are ours and need no escapes.
std::string text_member(std::string_view name, std::string_view text) {
  std::string out;
  out.reserve(name.size() + text.size() + 5);
  out.append("\"").append(name).append("\":");
  json::append_quoted(out, text);
  return out;
}

void append_time(std::string& out, std::string_view name, std::string_view text) {
  const auto at = parse_servicenow_time(
      text);  // an unreadable time beside the point is left out, it does not fail the row
  if (!at) return;
  if (out.back() != '{') out += ',';
  out += text_member(name, rfc3339(*at));
}

}  // namespace

Result<std::int64_t> parse_servicenow_time(std::string_view text) {
  std::array<int, 5> part{};  // day month year hour minute
  constexpr std::string_view kSeparators = "// :";
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto wrong = [text] {
    return Error{Errc::invalid_argument, "\"" + std::string(text) + "\" is not day/month/year hour:minute"};
  };
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto [next, ec] = std::from_chars(at, end, part[i]);
    if (ec != std::errc{} || part[i] < 0) return wrong();
    at = next;
    if (i < kSeparators.size() && (at == end || *at++ != kSeparators[i])) return wrong();
  }
  const auto [day, month, year, hour, minute] = part;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (at != end || year < 1970 || year > 9999 || !date.ok() || hour > 23 || minute > 59) return wrong();
  const auto time = std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute};
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Result<ServiceNowColumns> ServiceNowColumns::parse(const std::vector<std::string>& header) {
  ServiceNowColumns columns;
  columns.count_ = header.size();
  for (std::size_t i = 0; i < header.size(); ++i) columns.index_.emplace(header[i], i);
  for (const char* needed : {"number", "incident_state", "sys_updated_at"}) {
    if (!columns.index_.contains(needed))
      return Error{Errc::invalid_argument,
                   std::string("the header has no column \"") + needed + "\": not a ServiceNow incident log"};
  }
  return columns;
}

std::size_t ServiceNowColumns::place(std::string_view column) const {
  const auto found = index_.find(std::string(column));
  return found != index_.end() ? found->second : kNone;
}

std::string_view ServiceNowColumns::field_at(const std::vector<std::string>& row, std::size_t place) {
  if (place >= row.size()) return {};
  const std::string& value = row[place];
  return value == "?" ? std::string_view{} : std::string_view(value);
}

ServiceNowMapper::ServiceNowMapper(const ServiceNowColumns& columns, std::string channel)
    : column_count_(columns.count()), channel_(std::move(channel)) {
  const auto place = [&columns](std::string_view column) { return columns.place(column); };
  at_ = {place("number"),
         place("incident_state"),
         place("priority"),
         place("sys_updated_at"),
         place("sys_updated_by"),
         place("category"),
         place("subcategory"),
         place("u_symptom"),
         place("assignment_group"),
         place("assigned_to"),
         place("opened_at"),
         place("resolved_at"),
         {},
         {},
         {}};
  for (const Mapping& m : kLabels) at_.labels.push_back({place(m.from), m.to});
  for (const Mapping& m : kMetadata) at_.metadata.push_back({place(m.from), m.to});
  for (const Mapping& m : kResolution) at_.resolution.push_back({place(m.from), m.to});
}

/// "name":"value",... of the columns that have a value.
void ServiceNowMapper::append_texts(std::string& out, const std::vector<Source>& sources,
                                    const std::vector<std::string>& row) {
  for (const Source& source : sources) {
    const auto value = ServiceNowColumns::field_at(row, source.place);
    if (value.empty()) continue;
    if (out.back() != '{') out += ',';
    out.append("\"").append(source.to).append("\":");
    json::append_quoted(out, value);
  }
}

std::string ServiceNowMapper::resolution_json(const std::vector<std::string>& row) const {
  std::string out = "{";
  append_texts(out, at_.resolution, row);
  append_time(out, "at", ServiceNowColumns::field_at(row, at_.resolved_at));
  return out + "}";
}

std::string_view ServiceNowMapper::kind_of(const Seen* before, const Seen& now) {
  if (before == nullptr) return "created";
  if (terminal(before->status) && !terminal(now.status)) return "reopened";
  if (before->status != now.status) {
    if (terminal(now.status)) return now.status;
    return now.status == "escalated" ? "escalated" : "state_changed";
  }
  if (now.severity < before->severity) return "escalated";  // P0 < P1
  return before->assignment != now.assignment ? "assigned" : "updated";
}

std::vector<std::string> ServiceNowMapper::members_of(const std::vector<std::string>& row,
                                                      const Seen& now) const {
  const auto field = [&row](std::size_t place) { return ServiceNowColumns::field_at(row, place); };
  std::vector<std::string> out;
  out.reserve(12);
  const auto category = field(at_.category);
  std::string title(category);
  for (const std::string_view more : {field(at_.subcategory), field(at_.symptom)}) {
    if (more.empty()) continue;
    if (!title.empty()) title += ", ";
    title += more;
  }
  out.push_back(text_member("title", title.empty() ? field(at_.number) : std::string_view(title)));
  if (!now.severity.empty()) out.push_back(text_member("severity", now.severity));
  if (!now.status.empty()) out.push_back(text_member("status", now.status));
  if (!category.empty()) out.push_back(text_member("category", category));
  out.push_back(member("source", "\"servicenow\""));
  out.push_back(member("environment", "\"production\""));
  if (const auto team = field(at_.group); !team.empty()) out.push_back(text_member("team", team));
  const auto assignee = field(at_.assignee);
  out.push_back(member("assignees", assignee.empty() ? "[]" : "[" + json::quoted(assignee) + "]"));
  std::string labels = "{";
  append_texts(labels, at_.labels, row);
  out.push_back(member("labels", labels + "}"));
  std::string metadata = "{";
  append_texts(metadata, at_.metadata, row);
  append_time(metadata, "opened_at", field(at_.opened_at));
  out.push_back(member("metadata", metadata + "}"));
  // The log repeats on every row how the incident will end; nobody could have known before it did.
  if (terminal(now.status)) out.push_back(member("resolution", resolution_json(row)));
  return out;
}

Result<Draft> ServiceNowMapper::map(const std::vector<std::string>& row) {
  const auto invalid = [](std::string what) { return Error{Errc::invalid_argument, std::move(what)}; };
  if (row.size() != column_count_)
    return invalid(std::to_string(row.size()) + " fields instead of " + std::to_string(column_count_));
  const auto field = [&row](std::size_t place) { return ServiceNowColumns::field_at(row, place); };
  for (const std::string& text : row)
    if (!json::valid_utf8(text)) return invalid("a field is not UTF-8");
  const auto number = field(at_.number);
  if (number.empty() || number.size() > kMaxKey) return invalid("number is missing or too long");
  const auto at = parse_servicenow_time(field(at_.updated_at));
  if (!at) return invalid("sys_updated_at: " + at.error().detail);

  const std::string key(number);
  const auto found = seen_.find(key);
  const Seen* before = found == seen_.end() ? nullptr : &found->second;
  Seen now;
  const auto state = field(at_.state);
  const auto* mapping =
      std::find_if(kStatuses.begin(), kStatuses.end(), [&](const Mapping& m) { return m.from == state; });
  if (mapping == kStatuses.end())
    return invalid("incident_state \"" + std::string(state) + "\" is not known");
  now.status = mapping->to;
  if (now.status.empty()) now.status = before != nullptr ? before->status : "detected";
  const auto priority = field(at_.priority);
  if (!priority.empty()) {
    if (priority[0] < '1' || priority[0] > '4')
      return invalid("priority \"" + std::string(priority) + "\" is not 1 to 4");
    now.severity = {'P', static_cast<char>(priority[0] - 1)};
  }
  now.assignment = std::string(field(at_.group)) + '\n' + std::string(field(at_.assignee));
  const std::vector<std::string> members = members_of(row, now);

  Draft draft;
  char hash[24];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(hash_of(row)));
  draft.channel = channel_;
  draft.event_id = "servicenow:" + std::string(number) + ":" + hash;
  draft.kind = kind_of(before, now);
  draft.key = key;
  draft.at = rfc3339(*at);
  draft.actor = field(at_.updated_by);
  draft.incident.reserve(512);
  draft.incident = "{";
  now.members.reserve(members.size());
  for (const std::string& m : members) {
    const std::uint64_t known = now.members.emplace_back(hash_of(m));
    if (before != nullptr &&
        std::find(before->members.begin(), before->members.end(), known) != before->members.end())
      continue;
    if (draft.incident.size() > 1) draft.incident += ',';
    draft.incident += m;
  }
  draft.incident += '}';
  seen_[key] = std::move(now);
  return draft;
}

}  // namespace tocsin::ops
