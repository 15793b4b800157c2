// The YAML half of the loader: a tree of maps becomes flat settings with line numbers.
#include <yaml-cpp/yaml.h>

#include <map>

#include "common/config/loader.h"

namespace tocsin::config {
namespace {

constexpr std::size_t kMaxDepth = 8;          // settings have two or three segments
constexpr std::size_t kMaxSettings = 10'000;  // aliases could otherwise multiply a small file
constexpr std::size_t kMaxBytes = 1 << 20;

class Flattener {
 public:
  explicit Flattener(std::string_view name) : name_(name) {}

  Status walk(const YAML::Node& map, const std::string& prefix, std::size_t depth) {
    if (depth > kMaxDepth) return at(map, "nests deeper than any setting");
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) return at(entry.first, "a key must be plain text");
      const std::string key = prefix + entry.first.Scalar();
      if (auto done = take(key, entry.first, entry.second, depth); !done) return done;
    }
    return Done{};
  }
  [[nodiscard]] std::vector<Setting> settings() && { return std::move(settings_); }

 private:
  [[nodiscard]] std::string place(const YAML::Node& node) const {
    return name_ + ":" + std::to_string(node.Mark().line + 1);
  }
  [[nodiscard]] Error at(const YAML::Node& node, std::string_view what) const {
    return {Errc::invalid_argument, place(node) + ": " + std::string{what}};
  }

  /// The items of a sequence, separated by commas.
  Result<std::string> joined(const std::string& key, const YAML::Node& sequence) const {
    std::string text;
    for (const auto& item : sequence) {
      if (!item.IsScalar()) return at(item, key + " must be a list of plain values");
      if (item.Scalar().find(',') != std::string::npos)
        return at(item, "an item of " + key + " contains a comma");
      text.append(text.empty() ? "" : ",").append(item.Scalar());
    }
    return text;
  }

  Status take(const std::string& key, const YAML::Node& name, const YAML::Node& value, std::size_t depth) {
    if (value.IsMap()) return walk(value, key + ".", depth + 1);
    if (value.IsNull())
      return at(name, key + " has no value; write \"\" for empty text, or leave the line out");
    auto text = value.IsSequence() ? joined(key, value) : Result<std::string>{value.Scalar()};
    if (!text) return text.error();
    if (settings_.size() == kMaxSettings) return at(name, "too many settings");
    const auto [first, inserted] = seen_.emplace(key, place(name));
    if (!inserted) return at(name, key + " was given before, at " + first->second);
    settings_.push_back({key, *std::move(text), place(name)});
    return Done{};
  }

  std::string name_;
  std::map<std::string, std::string, std::less<>> seen_;
  std::vector<Setting> settings_;
};

}  // namespace

Result<std::vector<Setting>> parse_yaml(std::string_view text, std::string_view name) {
  if (text.size() > kMaxBytes)
    return Error{Errc::invalid_argument, std::string{name} + ": larger than a configuration can be (1 MiB)"};
  try {  // yaml-cpp reports by exception; none leaves this function
    const YAML::Node root = YAML::Load(std::string{text});
    if (root.IsNull()) return std::vector<Setting>{};
    if (!root.IsMap())
      return Error{Errc::invalid_argument, std::string{name} + ":1: the file must hold a map of settings"};
    Flattener flattener(name);
    if (auto done = flattener.walk(root, "", 1); !done) return done.error();
    return std::move(flattener).settings();
  } catch (const YAML::Exception& e) {
    const int line = e.mark.is_null() ? 0 : e.mark.line + 1;
    return Error{Errc::invalid_argument, std::string{name} + ":" + std::to_string(line) + ": " + e.msg};
  }
}

}  // namespace tocsin::config
