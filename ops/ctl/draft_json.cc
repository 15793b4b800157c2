#include "ops/ctl/draft_json.h"

#include "common/json/json.h"

namespace tocsin::ops {

std::string draft_json(const Draft& draft) {
  std::string out = "{\"channel\":" + json::quoted(draft.channel);
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += ",\"" + std::string(name) + "\":" + json::quoted(value);
  };
  add("event_id", draft.event_id);
  add("kind", draft.kind);
  add("key", draft.key);
  add("at", draft.at);
  add("actor", draft.actor);
  if (draft.if_version) out += ",\"if_version\":" + std::to_string(*draft.if_version);
  if (!draft.incident.empty()) out += ",\"incident\":" + draft.incident;
  if (!draft.event_name.empty())
    out += ",\"event\":{\"name\":" + json::quoted(draft.event_name) +
           ",\"data\":" + (draft.event_data.empty() ? "null" : draft.event_data) + "}";
  return out + "}";
}

}  // namespace tocsin::ops
