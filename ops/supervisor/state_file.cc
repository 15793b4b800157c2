#include "ops/supervisor/state_file.h"

#include "common/json/json.h"
#include "ops/cluster/file.h"

namespace tocsin::ops {

std::string SavedState::to_json() const {
  std::string out = "{\"ports\":{";
  for (const auto& [name, port] : ports) {
    if (out.back() != '{') out += ',';
    out += json::quoted(name) + ":" + std::to_string(port);
  }
  out += "},\"processes\":{";
  for (const auto& [name, process] : processes) {
    if (out.back() != '{') out += ',';
    out += json::quoted(name) + ":{\"pid\":" + std::to_string(process.id.pid) +
           ",\"start\":" + std::to_string(process.id.start) +
           ",\"fingerprint\":" + json::quoted(process.fingerprint) +
           ",\"ready\":" + (process.ready ? "true" : "false") + "}";
  }
  out += '}';
  if (fleet.asked.edges >= 0) out += ",\"fleet\":" + fleet.to_json();
  return out + "}\n";
}

Result<SavedState> SavedState::parse(std::string_view text) {
  auto document = json::parse(text);
  if (!document) return document.error();
  const json::Value* ports = json::find(*document, "ports");
  const json::Value* processes = json::find(*document, "processes");
  if (ports == nullptr || !ports->IsObject() || processes == nullptr || !processes->IsObject())
    return Error{Errc::invalid_argument, "ports and processes must be objects"};
  SavedState state;
  for (const auto& member : ports->GetObject()) {
    if (!member.value.IsUint() || member.value.GetUint() > 65535)
      return Error{Errc::invalid_argument, "a port is no number"};
    state.ports.emplace(json::view(member.name), static_cast<std::uint16_t>(member.value.GetUint()));
  }
  for (const auto& member : processes->GetObject()) {
    const auto pid = json::uint_member(member.value, "pid");
    const auto start = json::uint_member(member.value, "start");
    const auto fingerprint = json::string_member(member.value, "fingerprint");
    const auto ready = json::bool_member(member.value, "ready");
    if (!pid || !*pid || **pid > INT32_MAX || !start || !*start || !fingerprint || !*fingerprint || !ready)
      return Error{Errc::invalid_argument, "a process lacks pid, start or fingerprint"};
    state.processes.emplace(json::view(member.name), SavedProcess{{static_cast<pid_t>(**pid), **start},
                                                                  std::string(**fingerprint),
                                                                  ready->value_or(false)});
  }
  if (const json::Value* fleet = json::find(*document, "fleet"); fleet != nullptr) {
    auto parsed = Fleet::parse(*fleet);
    if (!parsed) return parsed.error();
    state.fleet = *std::move(parsed);
  }
  return state;
}

Result<SavedState> load_state(const std::string& path) {
  const auto text = read_file(path);
  if (!text && text.error().code == Errc::not_found) return SavedState{};
  if (!text) return text.error();
  auto state = SavedState::parse(*text);
  if (!state) return Error{Errc::corrupt, path + ": " + state.error().detail};
  return state;
}

}  // namespace tocsin::ops
