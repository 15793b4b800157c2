#include "ops/supervisor/members/notes.h"

#include "ops/cluster/file.h"
#include "ops/cluster/members.h"

namespace tocsin::ops::members {

std::string Notes::to_json() const {
  std::string out;
  Members root(out);
  root.lead("edges");
  Members list(out);
  for (const auto& [url, edge] : edges) list.text(url, edge);
  list.end();
  root.texts("cordoned", cordoned).flag("maintenance", maintenance).end();
  return out + "\n";
}

Result<Notes> Notes::parse(std::string_view text) {
  const auto document = json::parse(text);
  if (!document) return document.error();
  const Error broken{Errc::invalid_argument, "a member is missing or of a wrong type"};
  if (!document->IsObject()) return broken;
  Notes notes;
  const json::Value* edges = json::find(*document, "edges");
  if (edges == nullptr || !edges->IsObject()) return broken;
  for (const auto& member : edges->GetObject()) {
    if (!member.value.IsString()) return broken;
    notes.edges.emplace(json::view(member.name), json::view(member.value));
  }
  const json::Value* cordoned = json::find(*document, "cordoned");
  if (cordoned != nullptr && !cordoned->IsArray()) return broken;
  if (cordoned != nullptr)
    for (const json::Value& edge : cordoned->GetArray()) {
      if (!edge.IsString()) return broken;
      notes.cordoned.emplace(json::view(edge));
    }
  const auto maintenance = json::bool_member(*document, "maintenance");
  if (!maintenance || !*maintenance) return broken;
  notes.maintenance = **maintenance;
  return notes;
}

Result<Notes> load_notes(const std::string& path) {
  const auto text = read_file(path);
  if (!text && text.error().code == Errc::not_found) return Notes{};
  if (!text) return text.error();
  auto notes = Notes::parse(*text);
  if (!notes) return Error{Errc::corrupt, path + ": " + notes.error().detail};
  return notes;
}

}  // namespace tocsin::ops::members
