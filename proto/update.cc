#include "proto/update.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/json/json.h"
#include "common/json/members.h"
#include "common/rfc3339.h"

namespace tocsin {
namespace {

constexpr std::array<std::string_view, 3> kDurabilities{"memory", "disk", "quorum"};

bool name_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == ':' || c == '/' || c == '-';
}

using json::bad_member;
using json::take_text;

Status take_event(const json::Value& event, Draft& draft) {
  if (!event.IsObject()) return bad_member("event", "must be an object with \"name\" and \"data\"");
  if (auto s = take_text(event, "name", kMaxEventId, draft.event_name); !s) return s;
  if (draft.event_name.empty()) return bad_member("event.name", "is required");
  const json::Value* data = json::find(event, "data");
  draft.event_data = data != nullptr ? json::text(*data) : "null";
  return Done{};
}

/// The incident and the key belong together: either may be given, and both must agree.
Status take_incident(const json::Value& incident, Draft& draft) {
  if (!incident.IsObject()) return bad_member("incident", "must be an object");
  std::string id;
  if (auto s = take_text(incident, "id", kMaxKey, id); !s) return s;
  if (draft.key.empty()) draft.key = id;
  if (draft.key.empty()) return bad_member("key", "is required with an incident (or incident.id)");
  if (!id.empty() && id != draft.key) return bad_member("incident.id", "differs from \"key\"");
  draft.incident = json::text(incident);
  return Done{};
}

Status take_members(const json::Value& doc, Draft& draft) {
  struct Row {
    std::string_view member;
    std::size_t max;
    std::string* out;
  };
  const std::array<Row, 6> rows{{{"channel", kMaxChannelName, &draft.channel},
                                 {"event_id", kMaxEventId, &draft.event_id},
                                 {"kind", 64, &draft.kind},
                                 {"key", kMaxKey, &draft.key},
                                 {"at", 40, &draft.at},
                                 {"actor", 200, &draft.actor}}};
  for (const Row& row : rows)
    if (auto s = take_text(doc, row.member, row.max, *row.out); !s) return s;
  const auto version = json::uint_member(doc, "if_version");
  if (!version) return version.error();
  draft.if_version = *version;
  if (!draft.at.empty() && !parse_rfc3339(draft.at)) return bad_member("at", "must be an RFC 3339 date-time");
  return check_channel_name(draft.channel);
}

}  // namespace

std::string to_text(Epoch epoch) {
  std::string out(16, '0');
  constexpr std::string_view kHex = "0123456789abcdef";
  auto v = static_cast<std::uint64_t>(epoch);
  for (std::size_t i = 16; i-- > 0; v >>= 4U) out[i] = kHex[v & 15U];
  return out;
}

Result<Epoch> parse_epoch(std::string_view text) {
  std::uint64_t v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v, 16);
  if (text.size() != 16 || ec != std::errc{} || end != text.data() + text.size())
    return Error{Errc::invalid_argument, "an epoch is 16 hexadecimal digits"};
  return Epoch{v};
}

std::string_view to_text(Durability d) noexcept { return kDurabilities[static_cast<std::size_t>(d)]; }

Status check_channel_name(std::string_view name) {
  if (name.empty()) return bad_member("channel", "is required");
  if (name.size() > kMaxChannelName || !std::all_of(name.begin(), name.end(), name_char))
    return bad_member("channel", "must be 1 to 200 of A-Z a-z 0-9 _ . : / -");
  return Done{};
}

Result<Draft> parse_draft(std::string_view json, std::string_view default_channel, std::size_t max_bytes) {
  if (json.size() > max_bytes)
    return Error{Errc::too_large, std::to_string(json.size()) + " bytes, limit " + std::to_string(max_bytes)};
  auto doc = json::parse(json);
  if (!doc) return doc.error();
  if (!doc->IsObject()) return Error{Errc::invalid_argument, "an update is a JSON object"};
  Draft draft;
  draft.channel = default_channel;
  if (auto s = take_members(*doc, draft); !s) return s.error();
  const json::Value* event = json::find(*doc, "event");
  const json::Value* incident = json::find(*doc, "incident");
  if ((event != nullptr) == (incident != nullptr))
    return Error{Errc::invalid_argument, "give one of \"incident\" and \"event\""};
  if (auto s = event != nullptr ? take_event(*event, draft) : take_incident(*incident, draft); !s)
    return s.error();
  if (draft.kind.empty()) draft.kind = event != nullptr ? "event" : "updated";
  return draft;
}

std::string update_members_json(const Update& u) {
  std::string out;
  out.reserve(u.incident.size() + u.event_data.size() + 256);
  const auto member = [&out](std::string_view name, std::string_view value) {
    out.append(name);
    json::append_quoted(out, value);
  };
  member("\"event_id\":", u.event_id);
  member(",\"kind\":", u.kind);
  member(",\"key\":", u.key);
  member(",\"at\":", u.at);
  member(",\"actor\":", u.actor);
  if (u.event_name.empty()) {
    out.append(",\"changed\":[");
    for (std::size_t i = 0; i < u.changed.size(); ++i) member(i == 0 ? "" : ",", u.changed[i]);
    out.append("],\"incident\":").append(u.incident.empty() ? "null" : u.incident);
  } else {
    member(",\"event\":{\"name\":", u.event_name);
    out.append(",\"data\":").append(u.event_data.empty() ? "null" : u.event_data).append("}");
  }
  return out;
}

}  // namespace tocsin
