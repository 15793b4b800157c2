#include "common/config/program.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "common/json/json.h"
#include "common/version.h"

namespace tocsin::config {
namespace {

/// "broker.data_dir" -> "broker": the headings of the help text.
std::string_view section(std::string_view key) { return key.substr(0, key.find('.')); }

/// `text` as a YAML value that reads back as itself.
std::string yaml_value(const Row& row, const std::string& text) {
  const std::string type = row.type();
  if (type == "integer" || type == "milliseconds" || type == "boolean") return text;
  if (type != "list") return json::quoted(text);
  std::string out = "[";
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto item = rest.substr(0, rest.find(','));
    out.append(out.size() > 1 ? ", " : "").append(json::quoted(item));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
  }
  return out + "]";
}

void describe_row(std::string& out, const RowText& text) {
  const auto& [row, default_text] = text;
  const std::string type = row.type();
  out.append("  ").append(flag_name(row.key)).append(type == "boolean" ? "[=true|false]" : " <" + type + ">");
  out.append("\n      ").append(row.help).append("\n      ").append(row.key);
  out.append(", ").append(env_name(row.key));
  if (const auto range = range_text(row.range); !range.empty()) out.append("; ").append(range);
  if (row.show == Show::value && !default_text.empty()) out.append("; default ").append(default_text);
  out.append("\n");
}

}  // namespace

Result<CommandLine> read_command_line(int argc, const char* const* argv) {
  using Action = CommandLine::Action;
  constexpr std::string_view kConfigEquals = "--config=";
  CommandLine out;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread yet
  if (const char* file = std::getenv("TOCSIN_CONFIG"); file != nullptr) out.file = file;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      out.action = Action::help;
    } else if (word == "--version") {
      out.action = Action::version;
    } else if (word == "--check-config") {
      out.action = Action::check;
    } else if (word == "--dump-config") {
      out.action = Action::dump;
    } else if (word.starts_with(kConfigEquals)) {
      out.file = word.substr(kConfigEquals.size());
    } else if (word == "--config") {
      if (++i == argc) return Error{Errc::invalid_argument, "--config needs the path of a YAML file"};
      out.file = argv[i];
    } else {
      out.flags.emplace_back(word);
    }
  }
  return out;
}

std::string version_text(const Program& program) {
  return std::string{program.name} + " " + std::string{version()} + "\n";
}

std::string help_text(const Program& program, std::span<const RowText> rows) {
  std::string out = std::string{program.name}.append(" - ").append(program.summary);
  out.append("\n\nUsage: ").append(program.name).append(" [--config FILE] [settings]\n\n");
  out.append("  --config FILE    read settings from a YAML file (TOCSIN_CONFIG)\n");
  out.append("  --check-config   say whether the settings are valid, and exit\n");
  out.append("  --dump-config    print the effective settings and where each comes from, and exit\n");
  out.append("  --version, --help\n\n");
  out.append("Every setting has a YAML key, an environment variable and a flag;\n");
  out.append("the flag wins over the variable, the variable over the file.\n");
  std::string_view last;
  for (const auto& text : rows) {
    if (section(text.row.key) != last) {
      last = section(text.row.key);
      out.append("\n").append(last).append(":\n");
    }
    describe_row(out, text);
  }
  out.append(
      "\nExit codes: 0 stopped by SIGTERM or SIGINT, 2 bad settings, 3 cannot start, 1 anything else.\n");
  return out;
}

std::string dump_text(std::span<const RowText> rows, std::span<const Setting> settings) {
  std::string out;
  for (const auto& text : rows) {
    const Row& row = text.row;
    const auto found =
        std::find_if(settings.begin(), settings.end(), [&](const auto& s) { return s.key == row.key; });
    if (found == settings.end()) continue;
    const bool hidden = row.show == Show::redacted;
    if (hidden) out.append("# ");  // a comment, so that the file loads again without a false secret
    out.append(row.key).append(": ").append(hidden ? "<redacted>" : yaml_value(row, found->text));
    out.append("  # ").append(found->origin).append("\n");
  }
  return out;
}

void say(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

int complain(const Program& program, const Error& error) {
  const std::string line = std::string{program.name} + ": " + error.detail + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  return kExitUsage;
}

}  // namespace tocsin::config
