#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/config/loader.h"
#include "common/config/program.h"
#include "common/config/suggest.h"
#include "common/log/level.h"

namespace tocsin::config {
namespace {

struct Sample {
  std::int64_t port = 8080;
  std::chrono::milliseconds ping{25'000};
  bool compress = false;
  std::string name = "edge-0";
  std::vector<std::string> origins;
  log::Level level = log::Level::info;
  std::string secret = "default-secret";
};

constexpr auto kRows = std::to_array({
    option<&Sample::port>("listen.port", "Port.", {.min = 0, .max = 65'535}),
    option<&Sample::ping>("session.ping_ms", "Silence.", {.min = 10}, Apply::live),
    option<&Sample::compress>("frames.compress", "Compression."),
    option<&Sample::name>("edge.id", "Name.", {.min = 1, .max = 8}),
    option<&Sample::origins>("edge.origins", "Origins.", {.max = 3}),
    option<&Sample::level>("log.level", "Level."),
    option<&Sample::secret>("auth.secret", "Key.", {.min = 3}, Apply::restart, Show::redacted),
});

constexpr auto kForeign = std::to_array<std::string_view>({"listen.port", "broker.data_dir"});

/// A YAML file that lives as long as the object.
class File {
 public:
  explicit File(std::string_view text) {
    std::string pattern = (std::filesystem::temp_directory_path() / "tocsin-config-XXXXXX").string();
    const int fd = ::mkstemp(pattern.data());
    REQUIRE(fd >= 0);
    path_ = pattern;
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string failure(const Sources& sources) {
  const auto loaded = load(kRows, sources);
  return loaded ? "" : loaded.error().detail;
}
std::string file_failure(std::string_view yaml) {
  const File file(yaml);
  std::string text = failure({file.path(), {}, {}, kForeign});
  for (auto at = text.find(file.path()); at != std::string::npos; at = text.find(file.path()))
    text.replace(at, file.path().size(), "F");
  return text;
}
const Setting& setting(const Loaded<Sample>& loaded, std::string_view key) {
  for (const auto& s : loaded.settings)
    if (s.key == key) return s;
  FAIL("no setting " << key);
  return loaded.settings.front();
}

TEST_SUITE("common.config") {
  TEST_CASE("names are derived from the key") {
    CHECK(env_name("outbox.max_bytes") == "TOCSIN_OUTBOX_MAX_BYTES");
    CHECK(flag_name("outbox.max_bytes") == "--outbox-max-bytes");
  }

  TEST_CASE("default < file < environment < flag, and the origin is remembered") {
    const File file("listen: {port: 1}\nsession.ping_ms: 11\nedge:\n  id: from-f\n");
    const auto loaded = load(kRows, Sources{file.path(),
                                            {{"TOCSIN_LISTEN_PORT", "2"}, {"TOCSIN_SESSION_PING_MS", "12"}},
                                            {"--listen-port", "3"},
                                            {}});
    REQUIRE(loaded);
    CHECK(loaded->value.port == 3);
    CHECK(loaded->value.ping == std::chrono::milliseconds{12});
    CHECK(loaded->value.name == "from-f");
    CHECK(loaded->value.secret == "default-secret");
    CHECK(setting(*loaded, "listen.port").origin == "--listen-port");
    CHECK(setting(*loaded, "session.ping_ms").origin == "TOCSIN_SESSION_PING_MS");
    CHECK(setting(*loaded, "edge.id").origin == file.path() + ":4");
    CHECK(setting(*loaded, "auth.secret").origin == "default");
    CHECK(loaded->settings.size() == kRows.size());
  }

  TEST_CASE("every type reads from YAML and from flags") {
    const File file("frames.compress: true\nedge.origins: [a, b]\nlog: {level: warn}\n");
    auto loaded = load(kRows, Sources{file.path(), {}, {}, {}});
    REQUIRE(loaded);
    CHECK(loaded->value.compress);
    CHECK(loaded->value.origins == std::vector<std::string>{"a", "b"});
    CHECK(loaded->value.level == log::Level::warn);
    loaded = load(
        kRows,
        Sources{file.path(), {}, {"--frames-compress=false", "--edge-origins=c", "--log-level", "off"}, {}});
    REQUIRE(loaded);
    CHECK_FALSE(loaded->value.compress);
    CHECK(loaded->value.origins == std::vector<std::string>{"c"});
    CHECK(loaded->value.level == log::Level::off);
    loaded = load(kRows, Sources{{}, {}, {"--frames-compress", "--edge-id=x"}, {}});
    REQUIRE(loaded);
    CHECK(loaded->value.compress);
  }

  TEST_CASE("an unknown key names its line and the nearest key") {
    CHECK(file_failure("edge.id: a\n\nlisten:\n  prot: 1\n") ==
          "F:4: there is no setting listen.prot; did you mean listen.port?");
    CHECK(file_failure("port: 1\n") == "F:1: there is no setting port; did you mean listen.port?");
    CHECK(file_failure("something_else_entirely: 1\n") == "F:1: there is no setting something_else_entirely");
  }

  TEST_CASE("keys of other programs are accepted, typos in them are not") {
    CHECK(file_failure("broker:\n  data_dir: /x\n").empty());
    CHECK(file_failure("broker:\n  data_dri: /x\n") ==
          "F:2: there is no setting broker.data_dri; did you mean broker.data_dir?");
    CHECK(failure({{}, {{"TOCSIN_BROKER_DATA_DIR", "/x"}}, {}, kForeign}).empty());
    CHECK(failure({{}, {}, {"--broker-data-dir", "/x"}, kForeign})
              .starts_with("there is no flag --broker-data-dir"));
  }

  TEST_CASE("an unknown variable or flag is refused with the nearest name") {
    CHECK(failure({{}, {{"TOCSIN_LISTEN_PROT", "1"}}, {}, {}}) ==
          "the environment variable TOCSIN_LISTEN_PROT names no setting; did you mean TOCSIN_LISTEN_PORT?");
    CHECK(failure({{}, {}, {"--listen-prot", "1"}, {}})
              .starts_with("there is no flag --listen-prot; did you mean --listen-port?"));
    CHECK(failure({{}, {}, {"serve"}, {}}) == "\"serve\" is not a flag; --help lists them");
    CHECK(failure({{}, {}, {"--listen-port"}, {}}) == "--listen-port needs a value");
    CHECK(failure({{}, {{"PATH", "/bin"}, {"TOCSIN_CONFIG", "f"}}, {}, {}}).empty());
  }

  TEST_CASE("what a health check or hook reads in a program's environment is not the program's") {
    for (const char* name : {"TOCSIN_HEALTH_URL", "TOCSIN_EDGE_HTTP", "TOCSIN_TOKEN", "TOCSIN_BACKUP_FOLDER"})
      CHECK(failure({{}, {{name, "x"}}, {}, {}}).empty());
  }

  TEST_CASE("service links that Kubernetes puts into a pod are no settings") {
    CHECK(failure({{},
                   {{"TOCSIN_SERVICE_HOST", "10.0.0.1"},
                    {"TOCSIN_PORT", "tcp://10.0.0.1:80"},
                    {"TOCSIN_EDGE_PORT_80_TCP_ADDR", "10.0.0.1"}},
                   {},
                   {}})
              .empty());
  }

  TEST_CASE("wrong type and range name key, origin and what is allowed") {
    CHECK(file_failure("listen.port: abc\n") == "F:1: listen.port must be a whole number, not \"abc\"");
    CHECK(file_failure("listen:\n  port: 70000\n") == "F:2: listen.port must be from 0 to 65535, not 70000");
    CHECK(file_failure("frames.compress: yes\n") ==
          "F:1: frames.compress must be true or false, not \"yes\"");
    CHECK(file_failure("log.level: loud\n") ==
          "F:1: log.level must be debug or info or warn or error or off, not \"loud\"");
    CHECK(file_failure("edge.id: much-too-long\n") ==
          "F:1: edge.id must be text with a length from 1 to 8, not \"much-too-long\"");
    CHECK(file_failure("listen.port: 99999999999999999999\n") ==
          "F:1: listen.port must be a number of 64 bits, not \"99999999999999999999\"");
    CHECK(failure({{}, {{"TOCSIN_LISTEN_PORT", "-1"}}, {}, {}}) ==
          "TOCSIN_LISTEN_PORT: listen.port must be from 0 to 65535, not -1");
    CHECK(failure({{}, {}, {"--edge-origins", "a,,b"}, {}})
              .starts_with("--edge-origins: edge.origins must be a list"));
  }

  TEST_CASE("a wrong value is an error even where a stronger source overrides it") {
    const File file("listen.port: abc\n");
    CHECK_FALSE(failure({file.path(), {}, {"--listen-port", "1"}, {}}).empty());
  }

  TEST_CASE("a secret appears neither in errors nor in the dump") {
    const auto text = failure({{}, {{"TOCSIN_AUTH_SECRET", "xy"}}, {}, {}});
    CHECK(text == "TOCSIN_AUTH_SECRET: auth.secret holds a value that is not allowed");
    const auto loaded = load(kRows, Sources{});
    REQUIRE(loaded);
    const auto rows = with_defaults(kRows);
    CHECK(dump_text(rows, loaded->settings).find("default-secret") == std::string::npos);
    CHECK(help_text({"p", "s"}, rows).find("default-secret") == std::string::npos);
    CHECK(markdown(rows).find("default-secret") == std::string::npos);
  }

  TEST_CASE("a broken file is an error at its line") {
    CHECK(file_failure("listen:\n  port: [1\nedge.id: a\n").starts_with("F:"));
    CHECK(file_failure("- a\n") == "F:1: the file must hold a map of settings");
    CHECK(file_failure("listen.port:\n").starts_with("F:1: listen.port has no value"));
    CHECK(file_failure("listen.port: 1\nlisten: {port: 2}\n") == "F:2: listen.port was given before, at F:1");
    CHECK(file_failure("edge.origins: [[a]]\n") == "F:1: edge.origins must be a list of plain values");
    CHECK(file_failure("edge.origins: ['a,b']\n") == "F:1: an item of edge.origins contains a comma");
    CHECK(file_failure("a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}\n") ==
          "F:1: nests deeper than any setting");
    CHECK(file_failure("").empty());
    CHECK(file_failure("# nothing\n").empty());
    CHECK(failure({"/nonexistent/tocsin.yaml", {}, {}, {}}) ==
          "cannot read the configuration file /nonexistent/tocsin.yaml");
    CHECK(failure({"/tmp", {}, {}, {}}) == "cannot read the configuration file /tmp");
  }

  TEST_CASE("the dump loads again and gives the same values") {
    const auto loaded = load(
        kRows, Sources{{}, {}, {"--edge-origins=a: b,#c", "--edge-id", R"("q\")", "--listen-port=7"}, {}});
    REQUIRE(loaded);
    const auto rows = with_defaults(kRows);
    const File file(dump_text(rows, loaded->settings));
    const auto again = load(kRows, Sources{file.path(), {}, {}, {}});
    REQUIRE(again);
    CHECK(again->value.origins == loaded->value.origins);
    CHECK(again->value.name == loaded->value.name);
    CHECK(again->value.port == 7);
  }

  TEST_CASE("help and reference name key, variable, flag, range and default") {
    const auto rows = with_defaults(kRows);
    const auto help = help_text({"tocsin-sample", "shows help"}, rows);
    for (const auto* part : {"tocsin-sample - shows help", "--listen-port <integer>", "TOCSIN_LISTEN_PORT",
                             "from 0 to 65535", "default 8080", "--frames-compress[=true|false]"}) {
      CAPTURE(part);
      CHECK(help.find(part) != std::string::npos);
    }
    CHECK(markdown(rows).find(
              "| `session.ping_ms` | `TOCSIN_SESSION_PING_MS` | `--session-ping-ms` | milliseconds | "
              "at least 10 | `25000` | on reload | Silence. |\n") != std::string::npos);
  }

  TEST_CASE("the command line is split into action, file and settings") {
    const char* argv[] = {"p", "--listen-port", "1", "--config", "f.yaml", "--dump-config"};
    const auto line = read_command_line(6, argv);
    REQUIRE(line);
    CHECK(line->action == CommandLine::Action::dump);
    CHECK(line->file == "f.yaml");
    CHECK(line->flags == std::vector<std::string>{"--listen-port", "1"});
    CHECK_FALSE(read_command_line(5, std::to_array<const char*>({"p", "a", "b", "c", "--config"}).data()));
  }

  TEST_CASE("a slip is suggested, another word is not") {
    const std::vector<std::string> known{"listen.port", "log.level"};
    CHECK(did_you_mean("listen.prt", known) == "; did you mean listen.port?");
    CHECK(did_you_mean("level", known) == "; did you mean log.level?");
    CHECK(did_you_mean("xyz", known).empty());
    CHECK(did_you_mean(std::string(100'000, 'x'), known).empty());
  }
}

}  // namespace
}  // namespace tocsin::config
