#include "tests/checker/view.h"

namespace tocsin::checker {
namespace {

std::set<std::string, std::less<>> texts(const json::Value* list) {
  std::set<std::string, std::less<>> out;
  if (list == nullptr || !list->IsArray()) return out;
  for (const auto& item : list->GetArray())
    if (item.IsString()) out.emplace(json::view(item));
  return out;
}

}  // namespace

View::View(const json::Value* filter, const json::Value* rows) {
  if (rows != nullptr && rows->IsObject())
    for (const auto& m : rows->GetObject()) rows_.emplace(json::view(m.name), texts(&m.value));
  const auto none = json::parse("{}");
  if (filter == nullptr || !filter->IsObject()) filter = &*none;
  for (const char* name : {"severity", "status", "kind", "category", "source", "environment", "team"})
    if (auto list = texts(json::find(*filter, name)); !list.empty()) members_.emplace(name, std::move(list));
  keys_ = texts(json::find(*filter, "incident"));
  if (const json::Value* labels = json::find(*filter, "labels"); labels != nullptr && labels->IsObject())
    for (const auto& m : labels->GetObject())
      if (auto list = texts(&m.value); !list.empty()) labels_.emplace(json::view(m.name), std::move(list));
  active_ = flag_of(*filter, "active");

  const auto add = [this](const std::string& name, const auto& values) {
    identity_ += name + "=";
    for (const auto& value : values) identity_ += json::quoted(value) + ",";
    identity_ += ";";
  };
  for (const auto& [name, values] : members_) add(name, values);
  for (const auto& [name, values] : labels_) add("label " + json::quoted(name), values);
  for (const auto& [name, values] : rows_) add("row " + json::quoted(name), values);
  if (!keys_.empty()) add("incident", keys_);
  if (active_) identity_ += "active";
}

bool View::lists_pass(const Traits& traits, const std::string& key, bool with_kind) const {
  for (const auto& [name, values] : members_) {
    if (name == "kind" && !with_kind) continue;
    const auto have = traits.members.find(name);
    if (!values.contains(have == traits.members.end() ? std::string_view{} : std::string_view(have->second)))
      return false;
  }
  for (const auto* labels : {&labels_, &rows_})
    for (const auto& [name, values] : *labels) {
      const auto have = traits.labels.find(name);
      if (have == traits.labels.end() || !values.contains(have->second)) return false;
    }
  return keys_.empty() || keys_.contains(key);
}

Answer3 View::passes(const Traits& traits, const std::string& key, Answer3 ends) const {
  if (!lists_pass(traits, key, true)) return Answer3::no;
  if (!active_) return Answer3::yes;
  if (!traits.incident) return Answer3::no;
  return traits.over() ? ends : Answer3::yes;
}

bool View::holds(const Traits& traits, const std::string& key) const {
  return lists_pass(traits, key, false) && !(active_ && traits.over());
}

}  // namespace tocsin::checker
