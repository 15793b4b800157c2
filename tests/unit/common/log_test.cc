#include "common/log/log.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "common/json/json.h"
#include "common/log/audit.h"
#include "common/log/file_sink.h"
#include "common/log/flood.h"
#include "common/log/metrics.h"
#include "common/log/slow.h"
#include "common/log/syslog.h"
#include "common/log/writer.h"

namespace tocsin::log {
namespace {

namespace fs = std::filesystem;

/// A folder of the test's own.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "tocsin-log-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
  }
  ~Folder() { fs::remove_all(root); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string operator/(const char* name) const { return (root / name).string(); }
  fs::path root;
};

std::string read(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

/// Puts logs back to what a test program has, whatever a test did.
struct Restored {
  ~Restored() { CHECK(configure({.component = "unit", .level = Level::warn})); }
};

/// A sink that stops in the middle of a write until it is let go.
class StuckSink final : public Sink {
 public:
  std::size_t write(std::string_view lines) override {
    entered.store(true);
    entered.notify_all();
    open.wait(false);
    text.append(lines);
    return 0;
  }
  std::atomic<bool> entered{false};
  std::atomic<bool> open{false};
  std::string text;
};

TEST_SUITE("common.log") {
  TEST_CASE("a line has the members of the schema, the rest in metadata") {
    const Line line{0,        Level::warn,     {Category::connection, "connection_closed"},
                    "edge-0", "a client went", 0};
    CHECK(text(line, {{"client_ip", "192.0.2.1"},
                      {"bytes", 7U},
                      {"user_id", ""},
                      {"duration_ms", 150.5},
                      {"delta", -1},
                      {"ok", true}}) ==
          R"({"timestamp":"1970-01-01T00:00:00.000Z","level":"WARNING","category":"connection",)"
          R"("event_type":"connection_closed","message":"a client went","component":"edge-0",)"
          R"("client_ip":"192.0.2.1","duration_ms":150.5,"metadata":{"bytes":7,"delta":-1,"ok":true}})");
  }

  TEST_CASE("without an event its message names it") {
    CHECK(slug("The broker's away: 3 s!") == "the_broker_s_away_3_s");
    CHECK(slug("\xff\xfe").size() > 0);
    CHECK(slug(std::string(200, 'x')).size() <= 48);
    CHECK(text({0, Level::info, {}, "x", "a b", 0}, {}).find(R"("event_type":"a_b")") != std::string::npos);
  }

  TEST_CASE("whatever a field holds, the line stays one line of valid JSON") {
    const std::string line =
        text({0, Level::error, {Category::error, "\xff"}, "a\"b", "new\nline", 3},
             {{"bad", "\xff\xfe"}, {"k\"", "\x01"}, {"inf", INFINITY}, {"user_agent", "a\nb\xff"}});
    CHECK(line.find('\n') == std::string::npos);
    REQUIRE(json::parse(line));
  }

  TEST_CASE("levels below the threshold are not written, and a file is appended to") {
    const Restored restored;
    const Folder folder;
    const std::string path = folder / "log";
    std::ofstream(path) << "before\n";
    REQUIRE(configure({.component = "unit", .level = Level::warn, .file = path}));
    CHECK_FALSE(enabled(Level::info));
    info("hidden");
    warn("shown", {{"n", 1}});
    set_level(Level::off);
    error("hidden too");
    set_level(Level::debug);
    debug("shown too");
    flush();
    const std::string all = read(path);
    CHECK(all.starts_with("before\n"));
    CHECK(all.find("hidden") == std::string::npos);
    CHECK(all.find(R"("message":"shown","component":"unit","metadata":{"n":1}})") != std::string::npos);
    CHECK(all.find(R"("message":"shown too","component":"unit"})") != std::string::npos);
  }

  TEST_CASE("a category may have a file and a level of its own") {
    const Restored restored;
    const Folder folder;
    Settings settings{.component = "edge-7", .level = Level::info, .file = folder / "{component}.log"};
    settings.security_file = folder / "security.log";
    settings.security_level = CategoryLevel::warn;
    settings.connection_level = CategoryLevel::debug;
    REQUIRE(configure(settings));
    info({Category::security, "low"}, "not shown");
    warn({Category::security, "refused"}, "refused");
    debug({Category::connection, "opened"}, "opened");
    error("broken");
    flush();
    CHECK(lines_of(folder / "security.log").size() == 1);
    const auto main = lines_of(folder / "edge-7.log");
    REQUIRE(main.size() == 2);
    CHECK(main[0].find(R"("category":"connection")") != std::string::npos);
    CHECK(main[1].find(R"("category":"error")") != std::string::npos);
  }

  TEST_CASE("a file is renamed at its size, so many are kept, and no line is cut or lost") {
    const Folder folder;
    const std::string path = folder / "log";
    FileSink sink(path, {.bytes = 1'000, .keep = 2});
    std::string all;
    for (int i = 0; i < 100; ++i) {
      const std::string line = "line " + std::to_string(i) + std::string(40, '.') + "\n";
      all += line;
      if (i % 7 == 6) {
        CHECK(sink.write(all) == 0);
        all.clear();
      }
    }
    CHECK(fs::exists(path + ".1"));
    CHECK(fs::exists(path + ".2"));
    CHECK_FALSE(fs::exists(path + ".3"));
    int number = -1;
    for (const auto& name : {path + ".2", path + ".1", path}) {
      CHECK(fs::file_size(name) <= 1'000);
      for (const auto& line : lines_of(name)) {
        const int n = std::stoi(line.substr(5));
        if (number >= 0) CHECK(n == number + 1);
        number = n;
      }
    }
    CHECK(number == 97);
  }

  TEST_CASE("after a rename by others a reopened sink writes to the name again") {
    const Folder folder;
    const std::string path = folder / "log";
    FileSink sink(path, {});
    CHECK(sink.write("one\n") == 0);
    fs::rename(path, folder / "old");
    CHECK(sink.write("two\n") == 0);
    sink.reopen();
    CHECK(sink.write("three\n") == 0);
    CHECK(read(folder / "old") == "one\ntwo\n");
    CHECK(read(path) == "three\n");
  }

  TEST_CASE("two writers of one file rotate it once") {
    const Folder folder;
    const std::string path = folder / "log";
    FileSink a(path, {.bytes = 100, .keep = 9});
    FileSink b(path, {.bytes = 100, .keep = 9});
    const std::string line = std::string(59, 'x') + "\n";
    CHECK(a.write(line) == 0);
    CHECK(b.write(line) == 0);
    CHECK(a.write(line) == 0);  // renames
    CHECK(b.write(line) == 0);  // sees it
    CHECK(fs::exists(path + ".1"));
    CHECK_FALSE(fs::exists(path + ".2"));
    CHECK(read(path) == line + line);
  }

  TEST_CASE("a full disk hands lines back, and the file is used again when it can be") {
    const Folder folder;
    FileSink full("/dev/full", {.bytes = 10, .keep = 1});
    CHECK(full.write("one\ntwo\n") == 8);
    CHECK(full.fault() == ENOSPC);
    CHECK(full.write("three\n") == 6);

    FileSink absent(folder / "no/such/log", {});
    CHECK(absent.write("one\n") == 4);
    CHECK(absent.fault() == ENOENT);
    fs::create_directory(folder / "no");
    fs::create_directory(folder / "no/such");
    absent.reopen();
    CHECK(absent.write("two\n") == 0);
    CHECK(read(folder / "no/such/log") == "two\n");
  }

  TEST_CASE("a folder that cannot be written to lets the file grow") {
    if (::geteuid() == 0) return;  // root may write anywhere
    const Folder folder;
    const std::string path = folder / "log";
    FileSink sink(path, {.bytes = 100, .keep = 2});
    fs::permissions(folder.root, fs::perms::owner_read | fs::perms::owner_exec);
    for (int i = 0; i < 10; ++i) CHECK(sink.write(std::string(59, 'x') + "\n") == 0);
    fs::permissions(folder.root, fs::perms::owner_all);
    CHECK(lines_of(path).size() == 10);
  }

  TEST_CASE("a log file that takes nothing stops neither start nor caller; it is counted") {
    const Restored restored;
    Settings settings{.component = "unit", .level = Level::error, .file = "/dev/full"};
    const auto before = counts();
    REQUIRE(configure(settings));
    error("goes to standard error (a test)");
    flush();
    CHECK(counts().failed == before.failed + 1);
    CHECK(counts().audit_lost == before.audit_lost);
    REQUIRE(configure({.component = "unit", .level = Level::off, .file = "/dev/null/x.log"}));
  }

  TEST_CASE("the queue is bounded: more is dropped, counted and told, and nobody waits") {
    Writer writer;
    writer.limit(1'000);
    const auto sink = std::make_shared<StuckSink>();
    const auto put = [&](const std::string& line) {
      return writer.put({sink, nullptr, Level::info, {}, nullptr, line});
    };
    REQUIRE(put("first"));
    sink->entered.wait(false);  // the writer hangs in its write
    int taken = 0;
    while (put(std::string(72, 'x'))) ++taken;
    CHECK(taken == 5);
    CHECK_FALSE(put(std::string(72, 'y')));
    CHECK(writer.tally().dropped == 2);
    sink->open.store(true);
    sink->open.notify_all();
    writer.flush();
    CHECK(sink->text.find("first\nxxx") == 0);
    CHECK(sink->text.find("yyy") == std::string::npos);
    CHECK(sink->text.find(R"("event_type":"log_lines_dropped")") != std::string::npos);
    CHECK(sink->text.find(R"("dropped":2)") != std::string::npos);
  }

  TEST_CASE("lines of the audit log that are dropped or that their file does not take are counted apart") {
    Writer writer;
    writer.limit(1'000);
    const auto full = std::make_shared<FileSink>("/dev/full", FileSink::Rotation{});
    for (const bool audit : {true, false, true})
      writer.put({full, nullptr, Level::info, {}, nullptr, "a line (a test)", audit});
    writer.flush();
    CHECK(writer.tally().failed == 3);
    CHECK(writer.tally().audit_lost == 2);
    for (const bool audit : {true, false})
      CHECK_FALSE(writer.put({full, nullptr, Level::info, {}, nullptr, std::string(1'000, 'x'), audit}));
    CHECK(writer.tally().dropped == 2);
    CHECK(writer.tally().audit_lost == 3);
  }

  TEST_CASE("lines of many threads stay whole") {
    const Restored restored;
    const Folder folder;
    const std::string path = folder / "log";
    REQUIRE(configure({.component = "unit", .level = Level::info, .file = path, .flood_per_s = 0}));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([] {
        for (int i = 0; i < 500; ++i) info("a line", {{"n", i}});
      });
    for (auto& thread : threads) thread.join();
    flush();
    const auto lines = lines_of(path);
    CHECK(lines.size() == 2'000);
    for (const auto& line : lines) REQUIRE(json::parse(line));
  }

  TEST_CASE(
      "of what is slow the first is told at once, then one in ten seconds with how many and the worst") {
    SlowBook book;
    const auto first = book.saw("commit", 1'000, 300);
    REQUIRE(first);
    CHECK(first->times == 1);
    CHECK(first->worst_ms == 300);
    for (int i = 0; i < 500; ++i) CHECK_FALSE(book.saw("commit", 1'000 + i, i == 7 ? 900 : 260));
    CHECK(book.saw("loop", 1'500, 251));  // another kind
    const auto next = book.saw("commit", 11'000, 400);
    REQUIRE(next);
    CHECK(next->times == 501);
    CHECK(next->worst_ms == 900);
    CHECK_FALSE(book.saw("commit", 11'001, 400));
    int told = 0;
    for (const char* kind : {"a", "b", "c", "d", "e", "f", "g", "h", "i"})
      told += book.saw(kind, 2'000, 1) ? 1 : 0;
    CHECK(told == 6);  // more kinds than places share one
  }

  TEST_CASE("what is slow is a performance line from log.slow_ms on") {
    const Restored restored;
    const Folder folder;
    Settings settings{.component = "unit", .level = Level::info, .file = folder / "log"};
    settings.slow_ms = 100;
    REQUIRE(configure(settings));
    slow("slow_test", "a test took long", 99, {"updates", 3});
    slow("slow_test", "a test took long", 100, {"updates", 3});
    slow("slow_test", "a test took long", 5'000, {"updates", 3});
    settings.slow_ms = 0;
    REQUIRE(configure(settings));
    slow("slow_never", "a test took long", 1'000'000, {"updates", 3});
    settings.slow_ms = 1;
    settings.performance_level = CategoryLevel::error;
    REQUIRE(configure(settings));
    slow("slow_quiet", "a test took long", 1'000'000, {"updates", 3});
    flush();
    const auto lines = lines_of(folder / "log");
    REQUIRE(lines.size() == 1);
    const auto line = json::parse(lines[0]);
    REQUIRE(line);
    CHECK(json::view((*line)["category"]) == "performance");
    CHECK(json::view((*line)["event_type"]) == "slow_test");
    CHECK((*line)["duration_ms"].GetInt() == 100);
    CHECK((*line)["metadata"]["updates"].GetInt() == 3);
  }

  TEST_CASE("a loop is late by what is beyond its timer's period") {
    const Restored restored;
    const Folder folder;
    Settings settings{.component = "unit", .level = Level::info, .file = folder / "log"};
    settings.slow_ms = 200;
    REQUIRE(configure(settings));
    LoopLag lag(Millis{100});
    Instant now{Millis{5'000'000}};
    for (const int ms : {0, 100, 110, 299, 100}) lag.tick(now += Millis{ms});
    flush();
    CHECK(lines_of(folder / "log").empty());
    lag.tick(now += Millis{400});
    flush();
    const auto lines = lines_of(folder / "log");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find(R"("event_type":"loop_lag")") != std::string::npos);
    CHECK(lines[0].find(R"("duration_ms":300)") != std::string::npos);
  }

  TEST_CASE("a flood is thinned, and what was left out is told") {
    Flood flood;
    int passed = 0;
    for (int i = 0; i < 1'000; ++i) passed += flood.look("kind", 5'000, 10).pass ? 1 : 0;
    CHECK(passed == 10 + 9);
    const auto next = flood.look("kind", 6'000, 10);
    CHECK(next.pass);
    CHECK(next.left_out == 90);  // since the last that passed
    CHECK(flood.look("other", 6'000, 10).pass);
    for (int i = 0; i < 100; ++i) CHECK(flood.look("kind", 7'000, 0).pass);
  }

  TEST_CASE("the audit file has everything; without it only refusals and orders are written") {
    const Restored restored;
    const Folder folder;
    Settings settings{.component = "edge-0", .level = Level::info, .file = folder / "log"};
    const Audit subscribed{"subscribe", "ok", "ann", "192.0.2.1", "incidents", {}};
    const Audit refused{"subscribe", "forbidden", "ann",
                        "192.0.2.1", "secrets",   "the token does not permit it"};
    const Audit order{"drain", "ok", "operator", "127.0.0.1", "edge-0", {}};
    REQUIRE(configure(settings));
    CHECK_FALSE(audits_all());
    audit(subscribed);
    audit(refused);
    audit(order);
    flush();
    const auto few = lines_of(folder / "log");
    REQUIRE(few.size() == 2);
    const auto line = json::parse(few[0]);
    REQUIRE(line);
    CHECK(json::view(*json::find(*line, "category")) == "security");
    CHECK(json::view(*json::find(*line, "event_type")) == "subscribe");
    CHECK(json::view(*json::find(*line, "level")) == "WARNING");
    CHECK(json::view(*json::find(*line, "user_id")) == "ann");
    CHECK(json::view(*json::find(*line, "client_ip")) == "192.0.2.1");
    CHECK(json::view(*json::find(*line, "error_code")) == "forbidden");
    CHECK(json::view(*json::find(*json::find(*line, "metadata"), "what")) == "secrets");

    settings.audit_file = folder / "audit";
    settings.flood_per_s = 1;
    settings.level = Level::off;
    REQUIRE(configure(settings));
    CHECK(audits_all());
    for (int i = 0; i < 50; ++i) audit(subscribed);
    audit(refused);
    flush();
    CHECK(lines_of(folder / "audit").size() == 51);
    CHECK(lines_of(folder / "log").size() == 2);
  }

  TEST_CASE("syslog: one datagram a line, as RFC 5424 wants it") {
    const Restored restored;
    CHECK(
        syslog_datagram(16, Level::warn, "2026-01-01T00:00:00.000Z", "h o", "tocsin-edge-0", "it_is", "{}") ==
        "<132>1 2026-01-01T00:00:00.000Z h_o tocsin-edge-0 " + std::to_string(::getpid()) + " it_is - {}");
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    REQUIRE(fd >= 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
    socklen_t size = sizeof at;
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size) == 0);
    const timeval patience{5, 0};
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    REQUIRE(configure({.component = "edge-0",
                       .level = Level::info,
                       .file = "/dev/null",
                       .syslog = "127.0.0.1:" + std::to_string(ntohs(at.sin_port))}));
    warn("the broker is away");
    std::array<char, 2'048> buffer{};
    const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
    REQUIRE(n > 0);
    const std::string datagram(buffer.data(), static_cast<std::size_t>(n));
    CHECK(datagram.starts_with("<132>1 20"));
    CHECK(datagram.find(" tocsin-edge-0 ") != std::string::npos);
    CHECK(datagram.find(" the_broker_is_away - {\"timestamp\":") != std::string::npos);
    ::close(fd);
  }

  TEST_CASE("an address of syslog that is none is refused, and nothing changes") {
    for (const char* bad : {"collector", "collector:", ":514", "collector:x", "collector:123456"}) {
      const auto done = configure({.component = "unit", .level = Level::off, .syslog = bad});
      REQUIRE_FALSE(done);
      CHECK(done.error().code == Errc::invalid_argument);
    }
    CHECK(parse_syslog("[::1]:514")->host == "::1");
  }

  TEST_CASE("what was logged is told as metrics") {
    metrics::Registry registry;
    const LogMetrics all(registry);
    const std::string page = registry.prometheus_text();
    CHECK(page.find("tocsin_log_lines_total{category=\"security\"}") != std::string::npos);
    CHECK(page.find("tocsin_audit_events_total{outcome=\"refused\"}") != std::string::npos);
    CHECK(page.find("tocsin_log_dropped_total") != std::string::npos);
  }
}

}  // namespace
}  // namespace tocsin::log
