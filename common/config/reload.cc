#include "common/config/reload.h"

#include "common/json/json.h"

namespace tocsin::config {

std::string to_json(const Reloaded& reloaded) {
  std::string out = R"({"reloaded":true,"changed":[)";
  for (const auto& change : reloaded.changed) {
    if (out.back() != '[') out.push_back(',');
    out.append("{\"key\":").append(json::quoted(change.key));
    out.append(",\"before\":").append(json::quoted(change.before));
    out.append(",\"after\":").append(json::quoted(change.after));
    out.append(",\"origin\":").append(json::quoted(change.origin)).append("}");
  }
  out.append(R"(],"restart":[)");
  for (const auto& key : reloaded.restart) {
    if (out.back() != '[') out.push_back(',');
    json::append_quoted(out, key);
  }
  return out.append("]}");
}

}  // namespace tocsin::config
