#include "proto/client_codec.h"

#include <limits>
#include <set>

#include "common/json/json.h"
#include "proto/client.pb.h"
#include "proto/update.h"

namespace tocsin {
namespace {

/// Broken bytes are an answer to the caller, not a line on stderr for each.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

Error bad(std::string_view what) { return {Errc::invalid_argument, std::string(what)}; }

/// Writes one JSON object, member by member; remembers the first failure.
class Object {
 public:
  explicit Object(std::string& out) : out_(out) { out_.push_back('{'); }
  void close() { out_.push_back('}'); }

  void name(std::string_view member) {
    if (out_.back() != '{') out_.push_back(',');
    json::append_quoted(out_, member);
    out_.push_back(':');
  }
  void text(std::string_view member, std::string_view value) {
    name(member);
    json::append_quoted(out_, value);
  }
  void text_unless_empty(std::string_view member, std::string_view value) {
    if (!value.empty()) text(member, value);
  }
  void raw(std::string_view member, std::string_view json) {
    name(member);
    out_.append(json);
  }
  void number(std::string_view member, std::uint64_t value) { raw(member, std::to_string(value)); }
  template <typename List>
  void list(std::string_view member, const List& values) {
    if (values.empty()) return;
    name(member);
    out_.push_back('[');
    for (const auto& value : values) {
      if (out_.back() != '[') out_.push_back(',');
      json::append_quoted(out_, value);
    }
    out_.push_back(']');
  }

 private:
  std::string& out_;
};

void append_position(std::string& out, const v1::Position& position) {
  out.append(R"({"epoch":")")
      .append(to_text(Epoch{position.epoch()}))
      .append(R"(","offset":)")
      .append(std::to_string(position.offset()))
      .append("}");
}

void append_filter(std::string& out, const v1::Filter& filter) {
  Object o(out);
  o.list("severity", filter.severity());
  o.list("status", filter.status());
  o.list("kind", filter.kind());
  o.list("category", filter.category());
  o.list("source", filter.source());
  o.list("environment", filter.environment());
  o.list("team", filter.team());
  o.list("incident", filter.incident());
  if (!filter.labels().empty()) {
    o.name("labels");
    Object labels(out);
    for (const auto& [label, values] : filter.labels()) labels.list(label, values.values());
    labels.close();
  }
  if (filter.active()) o.raw("active", "true");
  o.close();
}

/// JSON inside a field becomes part of a larger text, so it must be one whole value.
Status append_json(Object& o, std::string_view member, std::string_view field, std::string_view text) {
  if (const auto parsed = json::parse(text); !parsed)
    return bad("\"" + std::string(field) + "\" is no JSON: " + parsed.error().detail);
  o.raw(member, text);
  return Done{};
}

/// A field wins over the member of the same name in other_json.
Status append_other(std::string& out, Object& o, std::string_view text,
                    const std::set<std::string_view>& taken) {
  const auto other = json::parse(text);
  if (!other || !other->IsObject()) return bad("\"other_json\" is no JSON object");
  for (const auto& m : other->GetObject()) {
    if (taken.contains(json::view(m.name))) continue;
    o.name(json::view(m.name));
    json::append_text(out, m.value);
  }
  return Done{};
}

Status append_incident(std::string& out, const v1::Incident& incident) {
  Object o(out);
  std::set<std::string_view> taken;
  const auto text = [&](std::string_view member, bool has, const std::string& value) {
    if (has) o.text(member, value), taken.insert(member);
  };
  const auto list = [&](std::string_view member, const auto& values) {
    if (!values.empty()) o.list(member, values), taken.insert(member);
  };
  text("id", incident.has_id(), incident.id());
  text("title", incident.has_title(), incident.title());
  text("description", incident.has_description(), incident.description());
  text("severity", incident.has_severity(), incident.severity());
  text("status", incident.has_status(), incident.status());
  text("category", incident.has_category(), incident.category());
  text("source", incident.has_source(), incident.source());
  text("environment", incident.has_environment(), incident.environment());
  list("affected_resources", incident.affected_resources());
  list("assignees", incident.assignees());
  text("team", incident.has_team(), incident.team());
  text("created_at", incident.has_created_at(), incident.created_at());
  text("updated_at", incident.has_updated_at(), incident.updated_at());
  text("acknowledged_at", incident.has_acknowledged_at(), incident.acknowledged_at());
  text("resolved_at", incident.has_resolved_at(), incident.resolved_at());
  text("closed_at", incident.has_closed_at(), incident.closed_at());
  if (incident.has_version()) o.number("version", incident.version()), taken.insert("version");
  if (!incident.labels().empty()) {
    taken.insert("labels");
    o.name("labels");
    Object labels(out);
    for (const auto& [label, value] : incident.labels()) labels.text(label, value);
    labels.close();
  }
  if (incident.has_resolution_json()) {
    taken.insert("resolution");
    if (auto s = append_json(o, "resolution", "resolution_json", incident.resolution_json()); !s) return s;
  }
  if (incident.has_metadata_json()) {
    taken.insert("metadata");
    if (auto s = append_json(o, "metadata", "metadata_json", incident.metadata_json()); !s) return s;
  }
  if (incident.has_other_json())
    if (auto s = append_other(out, o, incident.other_json(), taken); !s) return s;
  o.close();
  return Done{};
}

Status append_draft(std::string& out, const v1::Draft& draft) {
  Object o(out);
  o.text_unless_empty("channel", draft.channel());
  o.text_unless_empty("event_id", draft.event_id());
  o.text_unless_empty("kind", draft.kind());
  o.text_unless_empty("key", draft.key());
  o.text_unless_empty("at", draft.at());
  o.text_unless_empty("actor", draft.actor());
  if (draft.has_if_version()) o.number("if_version", draft.if_version());
  if (draft.has_incident()) {
    o.name("incident");
    if (auto s = append_incident(out, draft.incident()); !s) return s;
  }
  if (draft.has_event()) {
    o.name("event");
    Object event(out);
    event.text("name", draft.event().name());
    if (!draft.event().data_json().empty())
      if (auto s = append_json(event, "data", "data_json", draft.event().data_json()); !s) return s;
    event.close();
  }
  o.close();
  return Done{};
}

void append_connect(std::string& out, Object& o, const v1::Connect& connect) {
  o.text_unless_empty("token", connect.token());
  o.text_unless_empty("session", connect.session());
  o.text_unless_empty("ticket", connect.ticket());
  if (connect.since().empty()) return;
  o.name("since");
  Object since(out);
  for (const auto& [id, position] : connect.since()) {
    since.name(id);
    append_position(out, position);
  }
  since.close();
}

void append_subscribe(std::string& out, Object& o, const v1::Subscribe& subscribe) {
  o.text("id", subscribe.id());
  o.text("channel", subscribe.channel());
  if (subscribe.has_filter()) {
    o.name("filter");
    append_filter(out, subscribe.filter());
  }
  if (subscribe.snapshot()) o.raw("snapshot", "true");
  if (subscribe.has_conflate()) o.raw("conflate", subscribe.conflate() ? "true" : "false");
  if (subscribe.max_rate() > 0) o.number("max_rate", subscribe.max_rate());
  if (!subscribe.has_since()) return;
  o.name("since");
  append_position(out, subscribe.since());
}

Status append_publish(std::string& out, Object& o, const v1::Publish& publish) {
  o.text_unless_empty("ref", publish.ref());
  if (!publish.has_update()) return Done{};  // the parser says that it is missing
  o.name("update");
  return append_draft(out, publish.update());
}

Status append_frame(std::string& out, const v1::ClientFrame& frame) {
  using Case = v1::ClientFrame::FrameCase;
  Object o(out);
  switch (frame.frame_case()) {
    case Case::kConnect:
      o.text("type", "connect");
      append_connect(out, o, frame.connect());
      break;
    case Case::kSubscribe:
      o.text("type", "subscribe");
      append_subscribe(out, o, frame.subscribe());
      break;
    case Case::kUnsubscribe:
      o.text("type", "unsubscribe");
      o.text("id", frame.unsubscribe().id());
      break;
    case Case::kPublish:
      o.text("type", "publish");
      if (auto s = append_publish(out, o, frame.publish()); !s) return s;
      break;
    case Case::kRefresh:
      o.text("type", "refresh");
      o.text("token", frame.refresh().token());
      break;
    case Case::kPing:
      o.text("type", "ping");
      o.text_unless_empty("ref", frame.ping().ref());
      break;
    case Case::kBye:
      o.text("type", "bye");
      if (frame.bye().duplicates() > 0) o.number("duplicates", frame.bye().duplicates());
      break;
    case Case::FRAME_NOT_SET:
      return bad("a ClientFrame has one of connect, subscribe, unsubscribe, publish, refresh, ping, bye");
  }
  o.close();
  return Done{};
}

}  // namespace

ClientFrameJson client_frame_json(std::string_view bytes) {
  ClientFrameJson out;
  v1::ClientFrame frame;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    out.error = bad("a message is one tocsin.v1.ClientFrame");
    return out;
  }
  if (auto s = append_frame(out.json, frame); !s) {
    out.error = s.error();
    out.json.clear();
    out.ref = frame.publish().ref();
  }
  return out;
}

}  // namespace tocsin
