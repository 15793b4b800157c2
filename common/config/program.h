#pragma once
// The start of every daemon's main(): reads the command line, answers --help, --version, --check-config and
// --dump-config, and loads the settings. Exit codes are the same for all programs (common/exit_code.h).
//
//   auto start = config::start(kOptions, {.name = "tocsin-edge", .summary = "..."}, argc, argv);
//   if (!start.loaded) return start.exit_code;
#include <optional>
#include <string>
#include <string_view>

#include "common/config/loader.h"
#include "common/exit_code.h"

namespace tocsin::config {

struct Program {
  std::string_view name;
  std::string_view summary;  ///< one sentence for --help
};

template <typename C>
struct Start {
  std::optional<Loaded<C>> loaded;  ///< absent: leave main() with exit_code, everything has been said
  int exit_code = kExitOk;
  Sources sources = {};  ///< where they came from: for a reload
};

/// The keys of every program's rows. Defined by ops/settings, which is linked into each program: here it is
/// only declared, so that no program includes another's headers.
[[nodiscard]] std::span<const std::string_view> known_keys();

/// What is not a setting on a command line.
struct CommandLine {
  enum class Action : std::uint8_t { run, help, version, check, dump };
  Action action = Action::run;
  std::string file;                ///< --config, or TOCSIN_CONFIG
  std::vector<std::string> flags;  ///< the rest
};
[[nodiscard]] Result<CommandLine> read_command_line(int argc, const char* const* argv);

[[nodiscard]] std::string version_text(const Program& program);
[[nodiscard]] std::string help_text(const Program& program, std::span<const RowText> rows);
/// The effective settings as a YAML file that loads again, origins as comments, secrets redacted.
[[nodiscard]] std::string dump_text(std::span<const RowText> rows, std::span<const Setting> settings);

/// Prints `text` to stdout.
void say(std::string_view text);
/// Prints "program: sentence" to stderr and returns kExitUsage.
int complain(const Program& program, const Error& error);

template <typename C>
[[nodiscard]] Start<C> start(std::span<const Option<C>> rows, const Program& program, int argc,
                             const char* const* argv) {
  using Action = CommandLine::Action;
  const auto line = read_command_line(argc, argv);
  if (!line) return {std::nullopt, complain(program, line.error()), {}};
  if (line->action == Action::help) return say(help_text(program, with_defaults(rows))), Start<C>{};
  if (line->action == Action::version) return say(version_text(program)), Start<C>{};
  Sources sources{line->file, process_environment(), line->flags, known_keys()};
  auto loaded = load(rows, sources);
  if (!loaded) return {std::nullopt, complain(program, loaded.error()), {}};
  if (line->action == Action::check) return say("the settings are valid\n"), Start<C>{};
  if (line->action == Action::dump) return say(dump_text(with_defaults(rows), loaded->settings)), Start<C>{};
  return {*std::move(loaded), kExitOk, std::move(sources)};
}
template <typename C, std::size_t N>
[[nodiscard]] Start<C> start(const std::array<Option<C>, N>& rows, const Program& program, int argc,
                             const char* const* argv) {
  return start(std::span<const Option<C>>{rows}, program, argc, argv);
}

}  // namespace tocsin::config
