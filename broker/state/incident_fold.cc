#include "broker/state/incident_fold.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <forward_list>
#include <optional>
#include <utility>

#include "broker/state/incident_schema.h"
#include "common/json/json.h"
#include "common/json/raw_object.h"

namespace tocsin::broker {
namespace {

using json::RawMember;
using json::RawObject;
using json::Value;

bool ended(std::string_view status) { return status == "resolved" || status == "closed"; }

/// One change under way: the incident as pieces of its stored text and of text made here, and what has
/// changed so far.
class Change {
 public:
  std::vector<std::string> changed;

  /// False when `current` is no incident.
  bool begin(std::string_view current) {
    auto members = json::split_object(current);
    if (members) members_ = *std::move(members);
    return members.has_value();
  }
  [[nodiscard]] bool has(std::string_view name) { return json::find(members_, name) != nullptr; }
  [[nodiscard]] std::optional<std::string_view> raw(std::string_view name) {
    const RawMember* m = json::find(members_, name);
    return m != nullptr ? std::optional(m->value) : std::nullopt;
  }
  /// A member of plain letters, as all states are; empty when it is no string.
  [[nodiscard]] std::string_view text_of(std::string_view name) {
    const RawMember* m = json::find(members_, name);
    return m != nullptr && m->value.size() >= 2 && m->value.front() == '"'
               ? m->value.substr(1, m->value.size() - 2)
               : std::string_view{};
  }
  void mark(std::string_view name) {
    if (name != "updated_at" && std::find(changed.begin(), changed.end(), name) == changed.end())
      changed.emplace_back(name);
  }
  void set(std::string_view name, std::string_view value) {
    const auto text = keep(json::quoted(value));
    RawMember* old = json::find(members_, name);
    if (old != nullptr && old->value == text) return;
    if (old != nullptr) {
      old->value = text;
    } else {
      members_.push_back({name, text});
    }
    mark(name);
  }
  void clear(std::string_view name) {
    if (std::erase_if(members_, [name](const RawMember& m) { return m.name == name; }) > 0) mark(name);
  }
  /// RFC 7396 for one member of the incident; true when it is another value afterwards.
  bool patch(const Value& name, const Value& value) { return patch_member(members_, name, value); }
  [[nodiscard]] const RawObject& members() const noexcept { return members_; }

 private:
  std::string_view keep(std::string text) { return made_.emplace_front(std::move(text)); }
  bool patch_member(RawObject& target, const Value& name, const Value& value);
  std::pair<std::string_view, bool> merged(std::string_view old, const Value& patch);

  RawObject members_;
  std::forward_list<std::string> made_;
};

/// Whether `old` says the same as `value`, whose text is `text`: 1 and 1.0 do.
bool same(std::string_view old, const Value& value, std::string_view text) {
  if (old == text) return true;
  if (!value.IsNumber() && !value.IsArray()) return false;
  const auto before = json::parse(old);
  return before && *before == value;
}

bool Change::patch_member(RawObject& target, const Value& name, const Value& value) {
  std::string quoted = json::quoted(json::view(name));
  const std::string_view written = std::string_view(quoted).substr(1, quoted.size() - 2);
  RawMember* old = json::find(target, written);
  if (value.IsNull()) {
    if (old != nullptr) target.erase(target.begin() + (old - target.data()));
    return old != nullptr;
  }
  std::string_view text;
  bool differs = old == nullptr;
  if (value.IsObject()) {
    const auto [merged_text, inside] = merged(old != nullptr ? old->value : std::string_view{}, value);
    text = merged_text;
    differs = differs || inside;
  } else {
    std::string written_value = json::text(value);
    differs = differs || !same(old->value, value, written_value);
    if (differs) text = keep(std::move(written_value));
  }
  if (!differs) return false;
  if (old != nullptr) {
    old->value = text;
  } else {
    target.push_back({keep(std::move(quoted)).substr(1, written.size()), text});
  }
  return true;
}

/// The text of an object after its patch, and whether it is another one.
std::pair<std::string_view, bool> Change::merged(std::string_view old, const Value& patch) {
  auto target = json::split_object(old);
  bool differs = !target;
  if (!target) target.emplace();
  for (const auto& m : patch.GetObject()) differs |= patch_member(*target, m.name, m.value);
  if (!differs) return {old, false};
  std::string text;
  json::append_object(text, *target);
  return {keep(std::move(text)), true};
}

std::string_view implied_status(std::string_view kind) {
  if (kind == "acknowledged" || kind == "escalated" || kind == "resolved" || kind == "closed") return kind;
  return kind == "reopened" ? "investigating" : "";
}

/// The times that belong to entering and leaving a status; what the publisher states wins.
void stamp(Change& change, const Value& patch, std::string_view before, std::string_view at) {
  const auto now = change.text_of("status");
  const auto stated = [&patch](std::string_view name) { return json::find(patch, name) != nullptr; };
  if (ended(before) && !ended(now)) {
    if (!stated("resolved_at")) change.clear("resolved_at");
    if (!stated("closed_at")) change.clear("closed_at");
  }
  const auto entering = [&](std::string_view status, std::string_view name) {
    if (now == status && before != status && !stated(name) && !change.has(name)) change.set(name, at);
  };
  entering("acknowledged", "acknowledged_at");
  entering("resolved", "resolved_at");
  entering("closed", "closed_at");
  change.set("updated_at", at);
}

/// Known members in their order, then the rest in theirs.
std::string render(const RawObject& members, std::uint64_t version) {
  std::array<const RawMember*, kIncidentMembers.size()> known{};
  std::size_t size = 64;
  for (const RawMember& m : members) {
    size += m.name.size() + m.value.size() + 4;
    if (const IncidentMember* row = find_member(m.name))
      known[static_cast<std::size_t>(row - kIncidentMembers.data())] = &m;
  }
  std::string out;
  out.reserve(size);
  const auto member = [&out](std::string_view name, std::string_view value) {
    out.append(out.empty() ? "{\"" : ",\"").append(name).append("\":").append(value);
  };
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (kIncidentMembers[i].name == "version") {
      member("version", std::to_string(version));
    } else if (known[i] != nullptr) {
      member(known[i]->name, known[i]->value);
    }
  }
  for (const RawMember& m : members)
    if (find_member(m.name) == nullptr) member(m.name, m.value);
  out.push_back('}');
  return out;
}

Status apply(Change& change, const Value& patch) {
  for (const auto& m : patch.GetObject()) {
    const auto name = json::view(m.name);
    if (auto ok = check_incident_member(name, m.value); !ok) return ok;
    if (name == "id" || name == "version") continue;
    if (change.patch(m.name, m.value)) change.mark(name);
  }
  return Done{};
}

Result<std::uint64_t> check_version(Change& change, const Draft& draft) {
  std::uint64_t now = 0;
  if (const auto text = change.raw("version")) {
    const char* const end = text->data() + text->size();
    if (const auto [rest, ec] = std::from_chars(text->data(), end, now); ec != std::errc{} || rest != end)
      return Error{Errc::corrupt, "the stored incident " + draft.key};
  }
  if (draft.if_version && *draft.if_version != now)
    return Error{Errc::conflict, "if_version " + std::to_string(*draft.if_version) + ", the incident is at " +
                                     std::to_string(now)};
  return now;
}

}  // namespace

Result<Folded> fold(std::string_view current, const Draft& draft, std::string_view at) {
  auto patch = json::parse(draft.incident);
  if (!patch) return patch.error();
  if (!patch->IsObject()) return Error{Errc::invalid_argument, "\"incident\" must be an object"};

  Change change;
  const bool fresh = current.empty();
  if (!fresh && !change.begin(current)) return Error{Errc::corrupt, "the stored incident " + draft.key};
  const auto version = check_version(change, draft);
  if (!version) return version.error();
  const auto before = change.text_of("status");

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
  out.json = render(change.members(), out.version);
  out.changed = std::move(change.changed);
  out.ends = !ended(before) && ended(change.text_of("status"));
  return out;
}

}  // namespace tocsin::broker
