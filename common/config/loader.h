#pragma once
// Settings from their four sources: built-in default < YAML file < environment (TOCSIN_...) < flag, each with
// its origin. A key nobody knows, a value of the wrong type or out of range, and a key given twice in the
// file are errors that name the place ("tocsin.yaml:12") and the nearest known key. One file and one
// environment serve all programs: a key that only other programs have (`known_keys`) is accepted and skipped;
// a key that several have applies to each. Used at start-up, and by a reload (reload.h). Main thread.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/option.h"

namespace tocsin::config {

struct Sources {
  std::string file;  ///< path of a YAML file; empty: none
  std::vector<std::pair<std::string, std::string>>
      environment;                               ///< name and value; names not in TOCSIN_ are ignored
  std::vector<std::string> flags;                ///< "--listen-port", "8080" or "--listen-port=8080"
  std::span<const std::string_view> known_keys;  ///< of all programs; own rows may be among them
};

/// One value as it was found: `origin` is "default", "tocsin.yaml:12", "TOCSIN_LISTEN_PORT" or
/// "--listen-port".
struct Setting {
  std::string key;
  std::string text;
  std::string origin;
};

template <typename C>
struct Loaded {
  C value;
  std::vector<Setting> settings;  ///< one per row, in the order of the rows: the effective value
};

/// The settings found in `sources` for `rows`, weakest source first, so that the last one of a key counts.
/// Fails with invalid_argument, or io when the file cannot be read.
[[nodiscard]] Result<std::vector<Setting>> gather(std::span<const Row> rows, const Sources& sources);

/// The settings that a YAML text holds, known or not, with `name` ("tocsin.yaml") in their origin.
[[nodiscard]] Result<std::vector<Setting>> parse_yaml(std::string_view text, std::string_view name);

/// The names and values of this process's environment.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> process_environment();

/// Adds where and what to the codec's complaint, without the value when the row is redacted.
[[nodiscard]] Error rejected(const Row& row, const Setting& setting, const Error& why);

/// Loads every row. Fails as gather() does, or with the first value that its row refuses.
template <typename C>
[[nodiscard]] Result<Loaded<C>> load(std::span<const Option<C>> rows, const Sources& sources) {
  auto found = gather(std::vector<Row>(rows.begin(), rows.end()), sources);
  if (!found) return found.error();
  Loaded<C> out{};
  for (const auto& row : rows) {
    std::string origin = "default";
    for (const auto& setting : *found) {
      if (setting.key != row.key) continue;
      if (auto done = row.set(out.value, setting.text, row.range); !done)
        return rejected(row, setting, done.error());
      origin = setting.origin;
    }
    out.settings.push_back({std::string{row.key}, row.get(out.value), std::move(origin)});
  }
  return out;
}
template <typename C, std::size_t N>
[[nodiscard]] Result<Loaded<C>> load(const std::array<Option<C>, N>& rows, const Sources& sources) {
  return load(std::span<const Option<C>>{rows}, sources);
}

}  // namespace tocsin::config
