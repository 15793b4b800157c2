#include "tests/support/proto_client.h"

#include <cstdlib>
#include <map>

#include "common/json/json.h"
#include "proto/client.pb.h"

namespace tocsin::support {
namespace {

using json::Value;

/// One JSON object being written.
class Object {
 public:
  Object& raw(std::string_view name, std::string_view value) {
    text_ += text_.empty() ? "{" : ",";
    text_ += json::quoted(name) + ":" + std::string(value);
    return *this;
  }
  Object& text(std::string_view name, const std::string& value) { return raw(name, json::quoted(value)); }
  Object& text_if(std::string_view name, const std::string& value) {
    return value.empty() ? *this : text(name, value);
  }
  template <typename Number>
  Object& number(std::string_view name, Number value) {
    return raw(name, std::to_string(value));
  }
  Object& truth(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  template <typename List>
  Object& texts(std::string_view name, const List& list) {
    std::string all;
    for (const auto& item : list) all += (all.empty() ? "" : ",") + json::quoted(item);
    return raw(name, "[" + all + "]");
  }
  [[nodiscard]] std::string done() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

std::string json_of(const v1::Position& position) {
  char epoch[17];
  (void)std::snprintf(epoch, sizeof epoch, "%016llx", static_cast<unsigned long long>(position.epoch()));
  return Object().text("epoch", epoch).number("offset", position.offset()).done();
}

std::string json_of(const v1::Incident& i) {
  Object o;
  if (i.has_id()) o.text("id", i.id());
  if (i.has_title()) o.text("title", i.title());
  if (i.has_description()) o.text("description", i.description());
  if (i.has_severity()) o.text("severity", i.severity());
  if (i.has_status()) o.text("status", i.status());
  if (i.has_category()) o.text("category", i.category());
  if (i.has_source()) o.text("source", i.source());
  if (i.has_environment()) o.text("environment", i.environment());
  if (!i.affected_resources().empty()) o.texts("affected_resources", i.affected_resources());
  if (!i.labels().empty()) {
    Object labels;
    // The library's own order differs from run to run, and a seed of the simulation is one run.
    for (const auto& [name, value] : std::map<std::string, std::string>(i.labels().begin(), i.labels().end()))
      labels.text(name, value);
    o.raw("labels", labels.done());
  }
  if (!i.assignees().empty()) o.texts("assignees", i.assignees());
  if (i.has_team()) o.text("team", i.team());
  if (i.has_created_at()) o.text("created_at", i.created_at());
  if (i.has_updated_at()) o.text("updated_at", i.updated_at());
  if (i.has_acknowledged_at()) o.text("acknowledged_at", i.acknowledged_at());
  if (i.has_resolved_at()) o.text("resolved_at", i.resolved_at());
  if (i.has_closed_at()) o.text("closed_at", i.closed_at());
  if (i.has_version()) o.number("version", i.version());
  if (i.has_resolution_json()) o.raw("resolution", i.resolution_json());
  if (i.has_metadata_json()) o.raw("metadata", i.metadata_json());
  if (const auto other = json::parse(i.other_json()); i.has_other_json() && other && other->IsObject())
    for (const auto& m : other->GetObject()) o.raw(json::view(m.name), json::text(m.value));
  return o.done();
}

std::string json_of(const v1::Update& u) {
  Object o;
  o.text("type", "update").number("sub", u.sub()).number("offset", u.offset());
  if (u.conflated()) {
    std::string list;
    for (const auto old : u.replaces()) list += (list.empty() ? "" : ",") + std::to_string(old);
    o.raw("replaces", "[" + list + "]");
  }
  o.text("event_id", u.event_id())
      .text("kind", u.kind())
      .text("key", u.key())
      .text("at", u.at())
      .text("actor", u.actor());
  if (u.has_incident()) o.texts("changed", u.changed()).raw("incident", json_of(u.incident()));
  if (u.has_event())
    o.raw("event", Object()
                       .text("name", u.event().name())
                       .raw("data", u.event().data_json().empty() ? "null" : u.event().data_json())
                       .done());
  return o.done();
}

std::string json_of(const v1::Snapshot& s) {
  std::string incidents;
  for (const auto& incident : s.incidents()) incidents += (incidents.empty() ? "" : ",") + json_of(incident);
  return Object()
      .text("type", "snapshot")
      .number("sub", s.sub())
      .raw("incidents", "[" + incidents + "]")
      .truth("last", s.last())
      .done();
}

std::string json_of(const v1::Subscribed& s) {
  Object o;
  o.text("type", "subscribed").text("id", s.id()).number("sub", s.sub()).text("channel", s.channel());
  return o.raw("position", json_of(s.position()))
      .text("outcome", s.outcome())
      .text_if("reason", s.reason())
      .done();
}

std::string json_of(const v1::Published& p) {
  Object o;
  o.text("type", "published")
      .text_if("ref", p.ref())
      .text("channel", p.channel())
      .raw("position", json_of(p.position()));
  o.text("durability", p.durability()).truth("duplicate", p.duplicate()).text("event_id", p.event_id());
  if (p.version() != 0) o.number("version", p.version());
  return o.done();
}

std::string json_of(const v1::Welcome& w) {
  Object o;
  o.text("type", "welcome").text("session", w.session()).text_if("ticket", w.ticket()).text("edge", w.edge());
  return o.number("keepalive_ms", w.keepalive_ms())
      .number("server_time", w.server_time())
      .number("retry_after_ms", w.retry_after_ms())
      .truth("resumed", w.resumed())
      .done();
}

std::string json_of(const v1::Error& e) {
  Object o;
  o.text("type", "error")
      .text("code", e.code())
      .number("status", e.status())
      .text("message", e.message())
      .text("retry", e.retry());
  return o.text_if("id", e.id()).text_if("ref", e.ref()).text_if("reason", e.reason()).done();
}

std::string json_of(const v1::Status& s) {
  Object o;
  o.text("type", "status").text("status", s.status());
  if (!s.has_details()) return o.done();
  Object details;
  details.text("new_endpoint", s.details().new_endpoint())
      .number("reconnect_after", s.details().reconnect_after())
      .text("resume_token", s.details().resume_token())
      .number("deadline", s.details().deadline());
  return o.raw("details", details.done()).done();
}

std::string json_of(const v1::Closing& c) {
  Object o;
  o.text("type", "closing")
      .number("code", c.code())
      .text("reason", c.reason())
      .number("retry_after_ms", c.retry_after_ms());
  return o.text_if("ticket", c.ticket()).done();
}

// ---- from JSON

std::string text_of(const Value& from, std::string_view name) {
  const Value* v = json::find(from, name);
  return v != nullptr && v->IsString() ? std::string(json::view(*v)) : std::string();
}

std::optional<v1::Position> position_of(const Value* v) {
  const Value* offset = v != nullptr ? json::find(*v, "offset") : nullptr;
  if (offset == nullptr || !offset->IsUint64()) return std::nullopt;
  v1::Position out;
  out.set_epoch(std::strtoull(text_of(*v, "epoch").c_str(), nullptr, 16));
  out.set_offset(offset->GetUint64());
  return out;
}

template <typename Add>
void each_text(const Value& from, std::string_view name, const Add& add) {
  const Value* list = json::find(from, name);
  if (list == nullptr || !list->IsArray()) return;
  for (const auto& item : list->GetArray())
    if (item.IsString()) add(std::string(json::view(item)));
}

void fill(v1::Filter& out, const Value& filter) {
  each_text(filter, "severity", [&](const auto& v) { out.add_severity(v); });
  each_text(filter, "status", [&](const auto& v) { out.add_status(v); });
  each_text(filter, "kind", [&](const auto& v) { out.add_kind(v); });
  each_text(filter, "category", [&](const auto& v) { out.add_category(v); });
  each_text(filter, "source", [&](const auto& v) { out.add_source(v); });
  each_text(filter, "environment", [&](const auto& v) { out.add_environment(v); });
  each_text(filter, "team", [&](const auto& v) { out.add_team(v); });
  each_text(filter, "incident", [&](const auto& v) { out.add_incident(v); });
  if (const Value* labels = json::find(filter, "labels"); labels != nullptr && labels->IsObject())
    for (const auto& m : labels->GetObject()) {
      const std::string name(json::view(m.name));
      each_text(*labels, name, [&](const auto& v) { (*out.mutable_labels())[name].add_values(v); });
    }
  const Value* active = json::find(filter, "active");
  out.set_active(active != nullptr && active->IsTrue());
}

void fill(v1::Subscribe& out, const Value& doc) {
  out.set_id(text_of(doc, "id"));
  out.set_channel(text_of(doc, "channel"));
  if (const Value* filter = json::find(doc, "filter")) fill(*out.mutable_filter(), *filter);
  if (const Value* snapshot = json::find(doc, "snapshot")) out.set_snapshot(snapshot->IsTrue());
  if (const Value* conflate = json::find(doc, "conflate")) out.set_conflate(conflate->IsTrue());
  if (const Value* rate = json::find(doc, "max_rate")) out.set_max_rate(rate->GetUint());
  if (const auto since = position_of(json::find(doc, "since"))) *out.mutable_since() = *since;
}

void fill(v1::Connect& out, const Value& doc) {
  out.set_token(text_of(doc, "token"));
  out.set_session(text_of(doc, "session"));
  out.set_ticket(text_of(doc, "ticket"));
  if (const Value* since = json::find(doc, "since"); since != nullptr && since->IsObject())
    for (const auto& m : since->GetObject())
      if (const auto position = position_of(&m.value))
        (*out.mutable_since())[std::string(json::view(m.name))] = *position;
}

/// Everything of an incident goes by other_json: the edge takes a member wherever it stands.
void fill(v1::Draft& out, const Value& update) {
  out.set_channel(text_of(update, "channel"));
  out.set_event_id(text_of(update, "event_id"));
  out.set_kind(text_of(update, "kind"));
  out.set_key(text_of(update, "key"));
  out.set_at(text_of(update, "at"));
  out.set_actor(text_of(update, "actor"));
  if (const Value* incident = json::find(update, "incident"))
    out.mutable_incident()->set_other_json(json::text(*incident));
  if (const Value* event = json::find(update, "event")) {
    out.mutable_event()->set_name(text_of(*event, "name"));
    if (const Value* data = json::find(*event, "data")) out.mutable_event()->set_data_json(json::text(*data));
  }
  if (const Value* version = json::find(update, "if_version")) out.set_if_version(version->GetUint64());
}

}  // namespace

std::optional<std::string> server_frame_json(std::string_view bytes) {
  v1::ServerFrame f;
  if (!f.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  using Case = v1::ServerFrame::FrameCase;
  switch (f.frame_case()) {
    case Case::kWelcome:
      return json_of(f.welcome());
    case Case::kSubscribed:
      return json_of(f.subscribed());
    case Case::kSnapshot:
      return json_of(f.snapshot());
    case Case::kUpdate:
      return json_of(f.update());
    case Case::kSkip:
      return Object()
          .text("type", "skip")
          .number("sub", f.skip().sub())
          .number("from", f.skip().from())
          .number("to", f.skip().to())
          .done();
    case Case::kHead:
      return Object()
          .text("type", "head")
          .number("sub", f.head().sub())
          .number("offset", f.head().offset())
          .done();
    case Case::kPublished:
      return json_of(f.published());
    case Case::kError:
      return json_of(f.error());
    case Case::kClosing:
      return json_of(f.closing());
    case Case::kPong:
      return Object().text("type", "pong").text_if("ref", f.pong().ref()).done();
    case Case::kStatus:
      return json_of(f.status());
    case Case::FRAME_NOT_SET:
      return std::nullopt;
  }
  return std::nullopt;
}

std::string client_frame_bytes(std::string_view json) {
  const auto doc = json::parse(json);
  v1::ClientFrame f;
  if (!doc) return {};
  const std::string type = text_of(*doc, "type");
  if (type == "connect") fill(*f.mutable_connect(), *doc);
  if (type == "subscribe") fill(*f.mutable_subscribe(), *doc);
  if (type == "unsubscribe") f.mutable_unsubscribe()->set_id(text_of(*doc, "id"));
  if (type == "refresh") f.mutable_refresh()->set_token(text_of(*doc, "token"));
  if (type == "ping") f.mutable_ping()->set_ref(text_of(*doc, "ref"));
  if (type == "bye") {
    const Value* duplicates = json::find(*doc, "duplicates");
    f.mutable_bye()->set_duplicates(duplicates != nullptr && duplicates->IsUint64() ? duplicates->GetUint64()
                                                                                    : 0);
  }
  if (type == "publish") {
    f.mutable_publish()->set_ref(text_of(*doc, "ref"));
    if (const Value* update = json::find(*doc, "update"))
      fill(*f.mutable_publish()->mutable_update(), *update);
  }
  return f.SerializeAsString();
}

}  // namespace tocsin::support
