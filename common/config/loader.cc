#include "common/config/loader.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/config/suggest.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX says the program declares it

namespace tocsin::config {
namespace {

constexpr std::string_view kEnvPrefix = "TOCSIN_";
// Used by our own tools, or read elsewhere (TOCSIN_CONFIG: read_command_line; the rest by tocsinctl, which
// health checks and hooks run beside a program, in its environment).
constexpr auto kOtherEnvironment = std::to_array<std::string_view>(
    {"TOCSIN_CONFIG", "TOCSIN_BIN", "TOCSIN_DIR", "TOCSIN_CLUSTER", "TOCSIN_EDGE_HTTP", "TOCSIN_HEALTH_URL",
     "TOCSIN_TOKEN", "TOCSIN_BACKUP_FOLDER"});

/// Kubernetes puts TOCSIN_..._SERVICE_HOST, ..._PORT_80_TCP and the like into every pod beside a service
/// "tocsin".
bool service_link(std::string_view name, std::string_view value) {
  const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  return has("_SERVICE_HOST") || has("_SERVICE_PORT") || has("_TCP") || has("_UDP") ||
         (name.ends_with("_PORT") && (value.starts_with("tcp://") || value.starts_with("udp://")));
}

class Gatherer {
 public:
  Gatherer(std::span<const Row> rows, const Sources& sources) : rows_(rows), sources_(sources) {
    for (const auto& row : rows) own_.emplace_back(row.key);
    all_ = own_;
    for (const auto key : sources.known_keys)
      if (std::find(all_.begin(), all_.end(), key) == all_.end()) all_.emplace_back(key);
  }

  Status file() {
    if (sources_.file.empty()) return Done{};
    std::ifstream in(sources_.file);
    std::error_code ignored;
    if (!in || std::filesystem::is_directory(sources_.file, ignored))
      return Error{Errc::io, "cannot read the configuration file " + sources_.file};
    std::ostringstream text;
    text << in.rdbuf();  // fails for an empty file, which is valid
    auto settings = parse_yaml(text.view(), sources_.file);
    if (!settings) return settings.error();
    for (auto& setting : *settings) {
      if (contains(own_, setting.key)) {
        found_.push_back(std::move(setting));
      } else if (!contains(all_, setting.key)) {
        return Error{Errc::invalid_argument, setting.origin + ": there is no setting " + setting.key +
                                                 did_you_mean(setting.key, all_)};
      }
    }
    return Done{};
  }

  Status environment() {
    for (const auto& [name, value] : sources_.environment) {
      if (!name.starts_with(kEnvPrefix)) continue;
      if (std::find(kOtherEnvironment.begin(), kOtherEnvironment.end(), name) != kOtherEnvironment.end())
        continue;
      const auto named = [&n = name](const std::string& key) { return env_name(key) == n; };
      if (const auto key = std::find_if(own_.begin(), own_.end(), named); key != own_.end()) {
        found_.push_back({*key, value, name});
      } else if (std::none_of(all_.begin(), all_.end(), named) && !service_link(name, value)) {
        return Error{Errc::invalid_argument, "the environment variable " + name + " names no setting" +
                                                 did_you_mean(name, mapped(all_, env_name))};
      }
    }
    return Done{};
  }

  Status flags() {
    for (std::size_t i = 0; i < sources_.flags.size(); ++i) {
      const std::string& word = sources_.flags[i];
      const auto equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const auto key =
          std::find_if(own_.begin(), own_.end(), [&](const auto& k) { return flag_name(k) == name; });
      if (key == own_.end()) return unknown_flag(name);
      const bool is_switch = rows_[static_cast<std::size_t>(key - own_.begin())].type() == "boolean";
      if (equals != std::string::npos) {
        found_.push_back({*key, word.substr(equals + 1), name});
      } else if (is_switch) {
        found_.push_back({*key, "true", name});
      } else if (++i < sources_.flags.size()) {
        found_.push_back({*key, sources_.flags[i], name});
      } else {
        return Error{Errc::invalid_argument, name + " needs a value"};
      }
    }
    return Done{};
  }

  [[nodiscard]] std::vector<Setting> found() && { return std::move(found_); }

 private:
  static bool contains(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  }
  static std::vector<std::string> mapped(const std::vector<std::string>& keys,
                                         std::string (*name)(std::string_view)) {
    std::vector<std::string> out;
    out.reserve(keys.size());
    for (const auto& key : keys) out.push_back(name(key));
    return out;
  }
  [[nodiscard]] Error unknown_flag(const std::string& name) const {
    if (!name.starts_with("--"))
      return {Errc::invalid_argument, "\"" + name + "\" is not a flag; --help lists them"};
    return {Errc::invalid_argument,
            "there is no flag " + name + did_you_mean(name, mapped(own_, flag_name)) + " --help lists them"};
  }

  std::span<const Row> rows_;
  const Sources& sources_;
  std::vector<std::string> own_;
  std::vector<std::string> all_;  // own keys first
  std::vector<Setting> found_;
};

}  // namespace

Result<std::vector<Setting>> gather(std::span<const Row> rows, const Sources& sources) {
  Gatherer gatherer(rows, sources);
  if (auto done = gatherer.file(); !done) return done.error();
  if (auto done = gatherer.environment(); !done) return done.error();
  if (auto done = gatherer.flags(); !done) return done.error();
  return std::move(gatherer).found();
}

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view word{*entry};
    const auto equals = word.find('=');
    if (equals != std::string_view::npos) out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return out;
}

Error rejected(const Row& row, const Setting& setting, const Error& why) {
  const std::string what = row.show == Show::redacted ? "holds a value that is not allowed" : why.detail;
  return {Errc::invalid_argument, setting.origin + ": " + std::string{row.key} + " " + what};
}

}  // namespace tocsin::config
