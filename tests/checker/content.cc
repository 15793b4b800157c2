#include "tests/checker/content.h"

namespace tocsin::checker {
namespace {

constexpr Hash kSeed = 0x9E3779B97F4A7C15ULL;

Hash mix(Hash x) noexcept {  // the finaliser of splitmix64
  x ^= x >> 30U;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27U;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

}  // namespace

Hash combine(Hash a, Hash b) noexcept { return mix(a * 3 + b + kSeed); }

Hash hash_text(std::string_view text) {
  Hash h = mix(kSeed + text.size());
  std::uint64_t word = 0;
  std::size_t n = 0;
  for (const char c : text) {
    word = word << 8U | static_cast<unsigned char>(c);
    if (++n % 8 == 0) {
      h = mix(h ^ word);
      word = 0;
    }
  }
  h = mix(h ^ word);
  return h == 0 ? 1 : h;
}

Hash hash_value(const json::Value& value) {
  Hash h = mix(static_cast<Hash>(value.GetType()) + 1);
  if (value.IsString()) {
    h = combine(h, hash_text(json::view(value)));
  } else if (value.IsUint64()) {
    h = combine(h, value.GetUint64());
  } else if (value.IsInt64()) {
    h = combine(h, static_cast<Hash>(value.GetInt64()));
  } else if (value.IsNumber()) {
    h = combine(h, hash_text(json::text(value)));
  } else if (value.IsArray()) {
    for (const auto& item : value.GetArray()) h = combine(h, hash_value(item));
  } else if (value.IsObject()) {
    Hash sum = 0;  // addition: the order of members is no content
    for (const auto& m : value.GetObject())
      sum += combine(hash_text(json::view(m.name)), hash_value(m.value));
    h = combine(h, sum);
  }
  return h == 0 ? 1 : h;
}

std::string_view text_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* v = json::find(object, name);
  return v != nullptr && v->IsString() ? json::view(*v) : std::string_view{};
}

std::uint64_t number_of(const json::Value& object, std::string_view name, std::uint64_t otherwise) noexcept {
  const json::Value* v = json::find(object, name);
  return v != nullptr && v->IsUint64() ? v->GetUint64() : otherwise;
}

bool flag_of(const json::Value& object, std::string_view name) noexcept {
  const json::Value* v = json::find(object, name);
  return v != nullptr && v->IsTrue();
}

std::uint32_t Names::id(std::string_view text) {
  const auto [it, added] = ids_.try_emplace(std::string(text), static_cast<std::uint32_t>(texts_.size()));
  if (added) texts_.push_back(&it->first);
  return it->second;
}

bool Traits::over() const {
  const auto it = members.find("status");
  return it != members.end() && (it->second == "resolved" || it->second == "closed");
}

std::string Traits::identity() const {
  std::string out = incident ? "i" : "e";
  const auto add = [&out](const std::string& part) {
    out.append(std::to_string(part.size())).append(":").append(part);
  };
  for (const auto& [name, value] : members) add(name), add(value);
  out.push_back('|');
  for (const auto& [name, value] : labels) add(name), add(value);
  return out;
}

Traits traits_of(std::string_view kind, const json::Value* incident) {
  Traits traits;
  traits.members.emplace("kind", kind);
  if (incident == nullptr || !incident->IsObject()) return traits;
  traits.incident = true;
  for (const std::string_view name : {"severity", "status", "category", "source", "environment", "team"})
    if (const auto text = text_of(*incident, name); !text.empty()) traits.members.emplace(name, text);
  if (const json::Value* labels = json::find(*incident, "labels"); labels != nullptr && labels->IsObject())
    for (const auto& m : labels->GetObject())
      if (m.value.IsString()) traits.labels.emplace(json::view(m.name), json::view(m.value));
  return traits;
}

std::uint32_t TraitsTable::id(Traits traits) {
  const auto [it, added] = ids_.try_emplace(traits.identity(), static_cast<std::uint32_t>(all_.size()));
  if (added) all_.push_back(std::make_unique<const Traits>(std::move(traits)));
  return it->second;
}

}  // namespace tocsin::checker
