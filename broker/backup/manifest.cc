#include "broker/backup/manifest.h"

#include <array>
#include <utility>

#include "common/json/json.h"
#include "common/rfc3339.h"

namespace tocsin::broker::backup {
namespace {

constexpr auto kNumbers = std::to_array<std::pair<const char*, std::uint64_t Manifest::*>>({
    {"commits", &Manifest::commits},
    {"channels", &Manifest::channels},
    {"updates", &Manifest::updates},
    {"incidents", &Manifest::incidents},
    {"sessions", &Manifest::sessions},
    {"took_ms", &Manifest::took_ms},
    {"bytes", &Manifest::bytes},
    {"raw_bytes", &Manifest::raw_bytes},
});

Error damaged(const std::string& member) {
  return {Errc::corrupt, "the manifest has no " + member + ", or not as it should be"};
}

}  // namespace

std::string Manifest::to_json() const {
  std::string out = "{\"format\":" + json::quoted(kFormatName) + ",\"version\":" + std::to_string(version) +
                    ",\"created_at\":" + json::quoted(rfc3339(created_ms)) +
                    ",\"cluster\":" + json::quoted(cluster) + ",\"program\":" + json::quoted(program) +
                    ",\"schema\":" + std::to_string(schema);
  for (const auto& [name, member] : kNumbers)
    out.append(",\"").append(name).append("\":").append(std::to_string(this->*member));
  return out + ",\"sha256\":" + json::quoted(sha256) + "}";
}

Result<Manifest> Manifest::parse(std::string_view text) {
  const auto document = json::parse(text);
  if (!document) return Error{Errc::corrupt, "the manifest is no JSON: " + document.error().detail};
  const auto word = [&](const char* name) -> std::string {
    const auto found = json::string_member(*document, name);
    return found ? std::string(found->value_or("")) : std::string();
  };
  if (word("format") != kFormatName) return Error{Errc::corrupt, "the manifest is not one of Tocsin's"};
  Manifest out;
  const auto version = json::uint_member(*document, "version");
  if (!version || !*version) return damaged("version");
  out.version = **version;
  if (out.version > kFormatVersion)
    return Error{Errc::newer_schema, "the backup has version " + std::to_string(out.version) +
                                         ", this program knows up to " + std::to_string(kFormatVersion)};
  const auto created = parse_rfc3339(word("created_at"));
  if (!created) return damaged("created_at");
  out.created_ms = *created;
  out.cluster = word("cluster");
  out.program = word("program");
  out.sha256 = word("sha256");
  if (out.sha256.size() != 64) return damaged("sha256");
  const auto schema = json::uint_member(*document, "schema");
  if (!schema || !*schema) return damaged("schema");
  out.schema = static_cast<std::int64_t>(**schema);
  for (const auto& [name, member] : kNumbers) {
    const auto number = json::uint_member(*document, name);
    if (!number || !*number) return damaged(name);
    out.*member = **number;
  }
  return out;
}

}  // namespace tocsin::broker::backup
