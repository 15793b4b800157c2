#include "ops/settings/settings.h"

#include <algorithm>

#include "broker/config.h"
#include "common/config/program.h"
#include "edge/config.h"
#include "ops/supervisor/config.h"

namespace tocsin {
namespace settings {
namespace {

template <const auto& kRows>
ProgramSettings program(std::string_view name) {
  return {name, config::with_defaults(kRows), [](const config::Sources& sources) -> Status {
            const auto loaded = config::load(kRows, sources);
            if (!loaded) return loaded.error();
            return Done{};
          }};
}

}  // namespace

const std::vector<ProgramSettings>& programs() {
  static const std::vector<ProgramSettings> all{
      program<broker::kOptions>("tocsin-broker"),
      program<edge::kOptions>("tocsin-edge"),
      program<ops::kOptions>("tocsin-supervisor"),
  };
  return all;
}

std::vector<std::string> check(const std::string& file,
                               const std::vector<std::pair<std::string, std::string>>& environment) {
  std::vector<std::string> out;
  for (const auto& program : programs()) {
    const auto done = program.check({file, environment, {}, config::known_keys()});
    if (!done && std::find(out.begin(), out.end(), done.error().detail) == out.end())
      out.push_back(done.error().detail);
  }
  return out;
}

std::string reference() {
  std::string out =
      "# Settings\n\n"
      "Written by `tools/dev reference` from the rows in each program's `config.h`; do not edit.\n\n"
      "A value comes from the flag, else the environment variable, else the YAML file (`--config FILE` or\n"
      "`TOCSIN_CONFIG`), else the default; `--dump-config` shows each with its origin. In YAML a key may be "
      "written\n"
      "dotted (`log.level: debug`) or nested. One file may serve all programs: a key of several programs "
      "applies to\n"
      "each, a key that no program has is an error naming its line. `tocsinctl check-config FILE` asks all "
      "of them.\n\n"
      "Rows that apply `on reload` follow the file while the program runs: after SIGHUP, `tocsinctl reload "
      "[PROGRAM]` or\n"
      "`POST /admin/reload`, all of them or, when anything in the file is wrong, none. Files that a row names "
      "(certificates,\n"
      "keys, tokens) are read again as well. Rows that apply `on restart` keep their value, and are named when "
      "it differs.\n";
  for (const auto& program : programs())
    out.append("\n## ").append(program.program).append("\n\n").append(config::markdown(program.rows));
  return out;
}

}  // namespace settings

std::span<const std::string_view> config::known_keys() {
  static const std::vector<std::string_view> keys = [] {
    std::vector<std::string_view> out;
    for (const auto& program : settings::programs())
      for (const auto& text : program.rows) out.push_back(text.row.key);
    return out;
  }();
  return keys;
}

}  // namespace tocsin
