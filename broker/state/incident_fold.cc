#include "broker/state/incident_fold.h"

#include <algorithm>
#include <array>

#include "broker/state/incident_schema.h"
#include "common/json/json.h"

namespace tocsin::broker {
namespace {

using json::Document;
using json::Value;
using Allocator = Document::AllocatorType;

rapidjson::Value::StringRefType ref(std::string_view s) { return {s.data(), static_cast<rapidjson::SizeType>(s.size())}; }

Value* find_mutable(Value& object, std::string_view name) {
  return const_cast<Value*>(json::find(object, name));  // NOLINT(cppcoreguidelines-pro-type-const-cast): object is mutable here
}

void remove(Value& object, std::string_view name) {
  const auto at = std::find_if(object.MemberBegin(), object.MemberEnd(), [name](const auto& m) { return json::view(m.name) == name; });
  if (at != object.MemberEnd()) object.EraseMember(at);
}

std::string_view text_of(const Value& object, std::string_view name) {
  const Value* v = json::find(object, name);
  return v != nullptr && v->IsString() ? json::view(*v) : std::string_view{};
}

bool ended(std::string_view status) { return status == "resolved" || status == "closed"; }

/// RFC 7396 for one member; true when the target is another value afterwards.
bool patch_member(Value& target, const Value& name, const Value& value, Allocator& memory) {
  Value* old = find_mutable(target, json::view(name));
  if (value.IsNull()) {
    if (old == nullptr) return false;
    remove(target, json::view(name));
    return true;
  }
  bool changed = false;
  if (old == nullptr) {
    target.AddMember(Value(name, memory), Value(), memory);
    old = find_mutable(target, json::view(name));
    changed = true;
  }
  if (!value.IsObject()) {
    if (*old == value) return changed;
    old->CopyFrom(value, memory);
    return true;
  }
  if (!old->IsObject()) {
    old->SetObject();
    changed = true;
  }
  for (const auto& m : value.GetObject()) changed |= patch_member(*old, m.name, m.value, memory);
  return changed;
}

/// One change under way: the incident, what has changed so far.
struct Change {
  Document incident;
  std::vector<std::string> changed;

  void mark(std::string_view name) {
    if (name != "updated_at" && std::find(changed.begin(), changed.end(), name) == changed.end()) changed.emplace_back(name);
  }
  void set(std::string_view name, std::string_view value) {
    auto& memory = incident.GetAllocator();
    Value* old = find_mutable(incident, name);
    if (old != nullptr && old->IsString() && json::view(*old) == value) return;
    if (old == nullptr) {
      incident.AddMember(Value(ref(name), memory), Value(ref(value), memory), memory);
    } else {
      old->SetString(value.data(), static_cast<rapidjson::SizeType>(value.size()), memory);
    }
    mark(name);
  }
  void clear(std::string_view name) {
    if (json::find(incident, name) == nullptr) return;
    remove(incident, name);
    mark(name);
  }
};

std::string_view implied_status(std::string_view kind) {
  if (kind == "acknowledged" || kind == "escalated" || kind == "resolved" || kind == "closed") return kind;
  return kind == "reopened" ? "investigating" : "";
}

/// The times that belong to entering and leaving a status; what the publisher states wins.
void stamp(Change& change, const Value& patch, std::string_view before, std::string_view at) {
  const std::string now(text_of(change.incident, "status"));
  const auto stated = [&patch](std::string_view name) { return json::find(patch, name) != nullptr; };
  if (ended(before) && !ended(now)) {
    if (!stated("resolved_at")) change.clear("resolved_at");
    if (!stated("closed_at")) change.clear("closed_at");
  }
  const auto entering = [&](std::string_view status, std::string_view name) {
    if (now == status && before != status && !stated(name) && json::find(change.incident, name) == nullptr) change.set(name, at);
  };
  entering("acknowledged", "acknowledged_at");
  entering("resolved", "resolved_at");
  entering("closed", "closed_at");
  change.set("updated_at", at);
}

/// Known members in their order, then the rest in theirs.
std::string render(const Document& incident, std::uint64_t version) {
  std::string out = "{";
  const auto member = [&out](std::string_view name, const Value& value) {
    if (out.size() > 1) out.push_back(',');
    json::append_quoted(out, name);
    out.push_back(':');
    json::append_text(out, value);
  };
  for (const auto& known : kIncidentMembers) {
    if (known.name == "version") {
      out.append(",\"version\":").append(std::to_string(version));
    } else if (const Value* v = json::find(incident, known.name)) {
      member(known.name, *v);
    }
  }
  for (const auto& m : incident.GetObject())
    if (find_member(json::view(m.name)) == nullptr) member(json::view(m.name), m.value);
  return out + "}";
}

Status apply(Change& change, const Value& patch) {
  for (const auto& m : patch.GetObject()) {
    const auto name = json::view(m.name);
    if (auto ok = check_incident_member(name, m.value); !ok) return ok;
    if (name == "id" || name == "version") continue;
    if (patch_member(change.incident, m.name, m.value, change.incident.GetAllocator())) change.mark(name);
  }
  return Done{};
}

Result<std::uint64_t> check_version(const Document& incident, const Draft& draft) {
  const auto version = json::uint_member(incident, "version");
  if (!version) return Error{Errc::corrupt, "the stored incident " + draft.key};
  const std::uint64_t now = version->value_or(0);
  if (draft.if_version && *draft.if_version != now)
    return Error{Errc::conflict, "if_version " + std::to_string(*draft.if_version) + ", the incident is at " + std::to_string(now)};
  return now;
}

}  // namespace

Result<Folded> fold(std::string_view current, const Draft& draft, std::string_view at) {
  auto patch = json::parse(draft.incident);
  if (!patch) return patch.error();
  if (!patch->IsObject()) return Error{Errc::invalid_argument, "\"incident\" must be an object"};

  Change change;
  const bool fresh = current.empty();
  if (fresh) {
    change.incident.SetObject();
  } else {
    auto parsed = json::parse(current);
    if (!parsed || !parsed->IsObject()) return Error{Errc::corrupt, "the stored incident " + draft.key};
    change.incident = *std::move(parsed);
  }
  const auto version = check_version(change.incident, draft);
  if (!version) return version.error();
  const std::string before(text_of(change.incident, "status"));

  if (fresh) {
    change.set("id", draft.key);
    change.set("severity", "P3");
    change.set("status", "detected");
    change.set("created_at", at);
  }
  if (const auto implied = implied_status(draft.kind); !implied.empty()) change.set("status", implied);
  if (auto ok = apply(change, *patch); !ok) return ok.error();
  stamp(change, *patch, before, at);

  Folded out;
  out.version = *version + 1;
  out.json = render(change.incident, out.version);
  out.changed = std::move(change.changed);
  out.ends = !ended(before) && ended(text_of(change.incident, "status"));
  return out;
}

}  // namespace tocsin::broker
