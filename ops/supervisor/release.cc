#include "ops/supervisor/release.h"

#include <functional>

#include "ops/cluster/file.h"
#include "ops/cluster/members.h"

namespace tocsin::ops {

std::string Release::to_json() const {
  std::string out;
  Members(out)
      .text("programs", programs)
      .text("config_file", config_file)
      .text("config_hash", config_hash)
      .number("revision", static_cast<std::int64_t>(revision))
      .end();
  return out;
}

Result<Release> Release::parse(const json::Value& value) {
  const auto programs = json::string_member(value, "programs");
  const auto config_file = json::string_member(value, "config_file");
  const auto config_hash = json::string_member(value, "config_hash");
  const auto revision = json::uint_member(value, "revision");
  if (!value.IsObject() || !programs || !config_file || !config_hash || !revision || !*revision)
    return Error{Errc::invalid_argument, "a release must be an object with a revision"};
  return Release{std::string(programs->value_or("")), std::string(config_file->value_or("")),
                 std::string(config_hash->value_or("")), **revision};
}

std::string hash_of_file(const std::string& path) {
  if (path.empty()) return {};
  const auto text = read_file(path);
  return text ? std::to_string(std::hash<std::string>{}(*text)) : std::string();
}

}  // namespace tocsin::ops
