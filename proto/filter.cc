#include "proto/filter.h"

#include <algorithm>
#include <array>

namespace tocsin {
namespace {

constexpr std::size_t kMaxValues = 64;
constexpr std::size_t kMaxLabels = 16;
constexpr std::size_t kMaxValueBytes = 200;
constexpr std::string_view kWithin = "within";

/// One row a list member: its name, where the filter keeps it, where the facts have it.
struct ListRow {
  std::string_view name;
  std::vector<std::string> Filter::*values;
  std::string Facts::*fact;
};
constexpr std::array<ListRow, 8> kLists{{{"severity", &Filter::severity, &Facts::severity},
                                         {"status", &Filter::status, &Facts::status},
                                         {"kind", &Filter::kind, &Facts::kind},
                                         {"category", &Filter::category, &Facts::category},
                                         {"source", &Filter::source, &Facts::source},
                                         {"environment", &Filter::environment, &Facts::environment},
                                         {"team", &Filter::team, &Facts::team},
                                         {"incident", &Filter::incident, &Facts::incident}}};

void sort_unique(std::vector<std::string>& v) {
  std::sort(v.begin(), v.end());
  v.erase(std::unique(v.begin(), v.end()), v.end());
}

bool contains(const std::vector<std::string>& sorted, const std::string& value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

Result<std::vector<std::string>> parse_list(const json::Value& v, std::string_view name) {
  const auto bad = [&](std::string_view why) {
    return Error{Errc::invalid_argument, "filter \"" + std::string(name) + "\" " + std::string(why)};
  };
  std::vector<std::string> out;
  if (v.IsNull()) return out;
  if (!v.IsArray()) return bad("must be a list of strings");
  if (v.Size() > kMaxValues) return bad("has more than " + std::to_string(kMaxValues) + " values");
  for (const auto& item : v.GetArray()) {
    if (!item.IsString()) return bad("must be a list of strings");
    if (item.GetStringLength() > kMaxValueBytes) return bad("has a value longer than 200 bytes");
    out.emplace_back(json::view(item));
  }
  return out;
}

Status parse_labels(const json::Value& v, Filter& filter) {
  if (v.IsNull()) return Done{};
  if (!v.IsObject()) return Error{Errc::invalid_argument, "filter \"labels\" must be an object of lists"};
  if (v.MemberCount() > kMaxLabels)
    return Error{Errc::invalid_argument, "filter \"labels\" has more than 16 labels"};
  for (const auto& m : v.GetObject()) {
    auto list = parse_list(m.value, "labels." + std::string(json::view(m.name)));
    if (!list) return list.error();
    if (!list->empty()) filter.labels[std::string(json::view(m.name))] = *std::move(list);
  }
  return Done{};
}

void append_list(std::string& out, std::string_view name, const std::vector<std::string>& values) {
  if (values.empty()) return;
  if (out.back() != '{') out.push_back(',');
  json::append_quoted(out, name);
  out.append(":[");
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out.push_back(',');
    json::append_quoted(out, values[i]);
  }
  out.push_back(']');
}

bool labels_match(const Filter& filter, const Facts& facts) {
  return std::all_of(filter.labels.begin(), filter.labels.end(), [&](const auto& wanted) {
    return std::any_of(facts.labels.begin(), facts.labels.end(), [&](const auto& have) {
      return have.first == wanted.first && contains(wanted.second, have.second);
    });
  });
}

/// Every value there is of the label has to be one of `values`.
bool label_inside(const Constraint& constraint, const Facts& facts) {
  const auto name = std::string_view(constraint.member).substr(kLabelMember.size());
  bool found = false;
  for (const auto& [label, value] : facts.labels) {
    if (label != name) continue;
    if (!contains(constraint.values, value)) return false;
    found = true;
  }
  return found;
}

Result<Constraints> parse_within(const json::Value& v) {
  const Error bad{Errc::invalid_argument, "\"within\" must be an object of lists of strings"};
  if (!v.IsObject()) return bad;
  Constraints out;
  for (const auto& m : v.GetObject()) {
    Constraint one{std::string(json::view(m.name)), {}};
    if (!m.value.IsArray() || !is_constrainable(one.member)) return bad;
    for (const auto& item : m.value.GetArray()) {
      if (!item.IsString()) return bad;
      one.values.emplace_back(json::view(item));
    }
    sort_unique(one.values);
    out.push_back(std::move(one));
  }
  std::sort(out.begin(), out.end());
  return out;
}

void read_incident(Facts& facts, std::string_view incident_json) {
  auto doc = json::parse(incident_json);
  if (!doc || !doc->IsObject()) return;
  facts.has_incident = true;
  struct Row {
    std::string_view name;
    std::string* out;
  };
  const std::array<Row, 6> rows{{{"severity", &facts.severity},
                                 {"status", &facts.status},
                                 {"category", &facts.category},
                                 {"source", &facts.source},
                                 {"environment", &facts.environment},
                                 {"team", &facts.team}}};
  for (const auto& m : doc->GetObject()) {
    const auto name = json::view(m.name);
    if (m.value.IsString()) {
      for (const Row& row : rows)
        if (row.name == name) row.out->assign(json::view(m.value));
    } else if (name == "labels" && m.value.IsObject()) {
      for (const auto& l : m.value.GetObject())
        if (l.value.IsString()) facts.labels.emplace_back(json::view(l.name), json::view(l.value));
    }
  }
}

}  // namespace

Facts facts_of(const Update& update) {
  Facts facts;
  facts.kind = update.kind;
  facts.incident = update.key;
  facts.ends = update.ends;
  if (!update.incident.empty()) read_incident(facts, update.incident);
  return facts;
}

Facts facts_of_incident(std::string_view key, std::string_view incident_json) {
  Facts facts;
  facts.incident = key;
  read_incident(facts, incident_json);
  return facts;
}

Result<Filter> Filter::parse(const json::Value& value) {
  Filter filter;
  if (value.IsNull()) return filter;
  if (!value.IsObject()) return Error{Errc::invalid_argument, "\"filter\" must be an object"};
  for (const auto& row : kLists) {
    const json::Value* v = json::find(value, row.name);
    if (v == nullptr) continue;
    auto list = parse_list(*v, row.name);
    if (!list) return list.error();
    filter.*row.values = *std::move(list);
  }
  if (const json::Value* labels = json::find(value, "labels"))
    if (auto s = parse_labels(*labels, filter); !s) return s.error();
  const auto active = json::bool_member(value, "active");
  if (!active) return active.error();
  filter.active = active->value_or(false);
  filter.normalise();
  return filter;
}

Result<Filter> Filter::parse(std::string_view json) {
  if (json.empty()) return Filter{};
  auto doc = json::parse(json);
  if (!doc) return doc.error();
  return parse(*doc);
}

Result<Filter> Filter::parse_canonical(std::string_view json) {
  if (json.empty()) return Filter{};
  const auto doc = json::parse(json);
  if (!doc) return doc.error();
  auto filter = parse(*doc);
  if (!filter) return filter;
  if (const json::Value* within = json::find(*doc, kWithin)) {
    auto constraints = parse_within(*within);
    if (!constraints) return constraints.error();
    filter->within = *std::move(constraints);
  }
  return filter;
}

void Filter::normalise() {
  std::sort(within.begin(), within.end());
  for (auto& constraint : within) sort_unique(constraint.values);
  for (const auto& row : kLists) sort_unique(this->*row.values);
  for (auto& [name, values] : labels) sort_unique(values);
  std::erase_if(labels, [](const auto& entry) { return entry.second.empty(); });
}

std::string Filter::canonical() const {
  std::string out = "{";
  for (const auto& row : kLists) append_list(out, row.name, this->*row.values);
  if (!labels.empty()) {
    std::string inner = "{";
    for (const auto& [name, values] : labels) append_list(inner, name, values);
    if (out.back() != '{') out.push_back(',');
    out.append("\"labels\":").append(inner).append("}");
  }
  if (active) out.append(out.back() != '{' ? ",\"active\":true" : "\"active\":true");
  if (!within.empty()) out.append(out.back() != '{' ? ",\"within\":" : "\"within\":").append(to_json(within));
  return out + "}";
}

bool Filter::empty() const noexcept {
  return !active && labels.empty() && within.empty() &&
         std::all_of(kLists.begin(), kLists.end(),
                     [this](const auto& row) { return (this->*row.values).empty(); });
}

bool Filter::matches(const Facts& facts) const {
  if (!within.empty() && !inside(within, facts)) return false;
  if (!kind.empty() && !contains(kind, facts.kind)) return false;
  if (active && (!facts.has_incident || (facts.terminal() && !facts.ends))) return false;
  for (const auto& row : kLists)
    if (row.name != "kind" && !(this->*row.values).empty() && !contains(this->*row.values, facts.*row.fact))
      return false;
  return labels_match(*this, facts);
}

bool Filter::matches_state(const Facts& facts) const {
  if (!within.empty() && !inside(within, facts)) return false;
  if (active && facts.terminal()) return false;
  for (const auto& row : kLists)
    if (row.name != "kind" && !(this->*row.values).empty() && !contains(this->*row.values, facts.*row.fact))
      return false;
  return labels_match(*this, facts);
}

bool inside(const Constraints& within, const Facts& facts) {
  if (within.empty()) return true;
  if (!facts.has_incident) return false;
  return std::all_of(within.begin(), within.end(), [&](const Constraint& constraint) {
    if (constraint.member.starts_with(kLabelMember)) return label_inside(constraint, facts);
    const auto* row = std::find_if(kLists.begin(), kLists.end(),
                                   [&](const ListRow& r) { return r.name == constraint.member; });
    return row != kLists.end() && contains(constraint.values, facts.*row->fact);
  });
}

std::string to_json(const Constraints& within) {
  if (within.empty()) return {};
  std::string out = "{";
  for (const auto& constraint : within) {
    if (out.size() > 1) out.push_back(',');
    json::append_quoted(out, constraint.member);
    out.append(":[");
    for (std::size_t i = 0; i < constraint.values.size(); ++i) {
      if (i > 0) out.push_back(',');
      json::append_quoted(out, constraint.values[i]);
    }
    out.push_back(']');
  }
  return out + "}";
}

Result<Constraints> parse_constraints(std::string_view json) {
  if (json.empty()) return Constraints{};
  const auto doc = json::parse(json);
  if (!doc) return doc.error();
  return parse_within(*doc);
}

}  // namespace tocsin
