#include "edge/codec/proto_update.h"

#include <algorithm>
#include <array>

#include "common/json/json.h"
#include "edge/codec/protobuf_writer.h"

namespace tocsin::edge {
namespace {

using protobuf::Writer;

enum class Form : std::uint8_t { text, texts, labels, number, json };

struct Row {
  std::string_view name;
  std::uint32_t field;
  Form form;
};

/// Fields of Incident.
constexpr auto kIncident = std::to_array<Row>({
    {"id", 1, Form::text},           {"title", 2, Form::text},       {"description", 3, Form::text},
    {"severity", 4, Form::text},     {"status", 5, Form::text},      {"category", 6, Form::text},
    {"source", 7, Form::text},       {"environment", 8, Form::text}, {"affected_resources", 9, Form::texts},
    {"labels", 10, Form::labels},    {"assignees", 11, Form::texts}, {"team", 12, Form::text},
    {"created_at", 13, Form::text},  {"updated_at", 14, Form::text}, {"acknowledged_at", 15, Form::text},
    {"resolved_at", 16, Form::text}, {"closed_at", 17, Form::text},  {"version", 18, Form::number},
    {"resolution", 19, Form::json},  {"metadata", 20, Form::json},
});
constexpr std::uint32_t kOther = 21;

/// Fields of Update that are strings.
constexpr auto kUpdate = std::to_array<Row>({{"event_id", 5, Form::text},
                                             {"kind", 6, Form::text},
                                             {"key", 7, Form::text},
                                             {"at", 8, Form::text},
                                             {"actor", 9, Form::text},
                                             {"changed", 10, Form::texts}});
constexpr std::uint32_t kUpdateIncident = 11;
constexpr std::uint32_t kUpdateEvent = 12;

/// False when the value does not have the field's form, or would not be seen in it.
bool put(Writer& w, const Row& row, const json::Value& value) {
  switch (row.form) {
    case Form::text:
      if (!value.IsString()) return false;
      w.present_text(row.field, json::view(value));
      return true;
    case Form::texts:
      if (!value.IsArray() || value.Empty() ||
          !std::all_of(value.Begin(), value.End(), [](const auto& v) { return v.IsString(); }))
        return false;
      for (const auto& item : value.GetArray()) w.present_text(row.field, json::view(item));
      return true;
    case Form::labels:
      if (!value.IsObject() || value.ObjectEmpty() ||
          !std::all_of(value.MemberBegin(), value.MemberEnd(),
                       [](const auto& m) { return m.value.IsString(); }))
        return false;
      for (const auto& m : value.GetObject()) {
        std::string entry;
        Writer e(entry);
        e.present_text(1, json::view(m.name));
        e.present_text(2, json::view(m.value));
        w.present_text(row.field, entry);
      }
      return true;
    case Form::number:
      if (!value.IsUint64()) return false;
      w.present_number(row.field, value.GetUint64());
      return true;
    case Form::json:
      w.present_text(row.field, json::text(value));
      return true;
  }
  return false;
}

void append_other(std::string& other, const json::Value& name, const json::Value& value) {
  other.push_back(other.empty() ? '{' : ',');
  json::append_quoted(other, json::view(name));
  other.push_back(':');
  json::append_text(other, value);
}

std::string incident_of(const json::Value& incident) {
  std::string out;
  if (!incident.IsObject()) return out;
  Writer w(out);
  std::string other;
  for (const auto& m : incident.GetObject()) {
    const auto* row = std::find_if(kIncident.begin(), kIncident.end(),
                                   [&](const Row& r) { return r.name == json::view(m.name); });
    if (row == kIncident.end() || !put(w, *row, m.value)) append_other(other, m.name, m.value);
  }
  if (!other.empty()) w.present_text(kOther, other.append("}"));
  return out;
}

}  // namespace

std::string proto_incident(std::string_view json) {
  const auto doc = json::parse(json);
  return doc ? incident_of(*doc) : std::string{};
}

std::string proto_update_body(std::string_view members_json) {
  std::string out;
  std::string text;
  text.reserve(members_json.size() + 2);
  const auto doc = json::parse(text.append("{").append(members_json).append("}"));
  if (!doc || !doc->IsObject()) return out;
  out.reserve(members_json.size());
  Writer w(out);
  for (const Row& row : kUpdate)
    if (const auto* value = json::find(*doc, row.name)) put(w, row, *value);
  if (const auto* incident = json::find(*doc, "incident"); incident != nullptr && incident->IsObject())
    w.present_text(kUpdateIncident, incident_of(*incident));
  if (const auto* event = json::find(*doc, "event"); event != nullptr && event->IsObject()) {
    std::string e;
    Writer ew(e);
    if (const auto* name = json::find(*event, "name"); name != nullptr && name->IsString())
      ew.text(1, json::view(*name));
    if (const auto* data = json::find(*event, "data"); data != nullptr && !data->IsNull())
      ew.text(2, json::text(*data));
    w.present_text(kUpdateEvent, e);
  }
  return out;
}

}  // namespace tocsin::edge
