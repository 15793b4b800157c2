#include "common/health/checks.h"

#include <algorithm>

#include "common/json/json.h"

namespace tocsin::health {
namespace {

bool no_trouble(const Checks& checks, Counts least) {
  return std::all_of(checks.begin(), checks.end(),
                     [least](const Check& check) { return check.trouble.empty() || check.counts < least; });
}

}  // namespace

bool ready(const Checks& checks) noexcept { return no_trouble(checks, Counts::ready); }
bool healthy(const Checks& checks) noexcept { return no_trouble(checks, Counts::health); }

void append_reasons(std::string& out, const Checks& checks) {
  std::string all;
  for (const Check& check : checks) {
    if (check.trouble.empty() || check.counts == Counts::nowhere) continue;
    if (all.empty()) out.append(",\"reason\":").append(json::quoted(check.trouble));
    all.append(all.empty() ? "" : ",").append(json::quoted(check.trouble));
  }
  if (!all.empty()) out.append(",\"reasons\":[").append(all).append("]");
}

void append_checks(std::string& out, const Checks& checks) {
  out.append(",\"checks\":[");
  for (const Check& check : checks) {
    if (out.back() != '[') out.push_back(',');
    out.append("{\"check\":").append(json::quoted(check.name));
    out.append(check.trouble.empty() ? ",\"ok\":true" : ",\"ok\":false");
    if (!check.trouble.empty()) out.append(",\"detail\":").append(json::quoted(check.trouble));
    out.push_back('}');
  }
  out.push_back(']');
}

bool detailed(std::string_view query) noexcept {
  constexpr std::string_view kName = "detailed";
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(item.size() + 1, query.size()));
    if (!item.starts_with(kName)) continue;
    if (item.size() == kName.size()) return true;
    if (item[kName.size()] != '=') continue;
    const std::string_view value = item.substr(kName.size() + 1);
    return value != "false" && value != "0";
  }
  return false;
}

}  // namespace tocsin::health
