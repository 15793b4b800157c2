// How many durable updates a second the broker itself takes: the core on its SQLite store, without sockets.
// The drafts of a ServiceNow log are published in batches with a bounded number unanswered, as tocsinctl
// does, to one interested edge that acknowledges all it is sent.
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "broker/core.h"
#include "broker/log/memory_log_store.h"
#include "broker/log/split_log_store.h"
#include "broker/log/sqlite_log_store.h"
#include "common/random.h"
#include "ops/ctl/replay_rows.h"
#include "proto/link_message.h"

namespace tocsin {
namespace {

using Timer = std::chrono::steady_clock;

double seconds_since(Timer::time_point start) {
  return std::chrono::duration<double>(Timer::now() - start).count();
}

double cpu_seconds(int who) {
  rusage use{};
  ::getrusage(who, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

/// Counts what the broker says; the edge among the peers says that it has received all of it.
class Listeners final : public broker::PeerPort {
 public:
  bool send(std::string_view peer, broker::SharedBytes bytes) override {
    if (peer == "edge") {
      edge_bytes_ += bytes->size();
      return true;
    }
    const auto message = link::decode(*bytes);
    const auto* result = message ? std::get_if<link::PublishResult>(&*message) : nullptr;
    if (result == nullptr) return true;
    answered += result->outcomes.size();
    for (const auto& outcome : result->outcomes)
      if (!outcome.fault.ok() || outcome.duplicate) ++refused;
    return true;
  }
  [[nodiscard]] std::uint64_t edge_bytes() const { return edge_bytes_; }

  std::size_t answered = 0;
  std::size_t refused = 0;

 private:
  std::uint64_t edge_bytes_ = 0;
};

struct Messages {
  std::vector<std::string> bytes;
  std::vector<std::size_t> drafts;  ///< in each
};

Result<Messages> messages_of(const std::string& file, std::size_t batch, std::size_t limit) {
  auto source = ops::open_source(file);
  if (!source) return source.error();
  auto rows = ops::ReplayRows::load(**source, {.channel = "incidents", .limit = limit},
                                    [](std::uint64_t, const std::string&) {});
  if (!rows) return rows.error();
  Messages out;
  link::Publish message;
  const auto close = [&] {
    if (message.drafts.empty()) return;
    message.ref = out.bytes.size() + 1;
    out.drafts.push_back(message.drafts.size());
    out.bytes.push_back(link::encode(message));
    message.drafts.clear();
  };
  while (rows->due()) {
    if (auto draft = rows->take()) message.drafts.push_back(*std::move(draft));
    if (message.drafts.size() == batch) close();
  }
  close();
  return out;
}

int run(const std::string& file, std::size_t batch, std::size_t window, std::size_t limit,
        const std::filesystem::path& folder_path) {
  const auto messages = messages_of(file, batch, limit);
  if (!messages) return std::fprintf(stderr, "%s\n", messages.error().detail.c_str()), 1;
  auto folder = broker::DataFolder::claim(folder_path.string(), "", "bench");
  if (!folder) return std::fprintf(stderr, "%s\n", folder.error().detail.c_str()), 1;
  SystemRandom random;
  auto disk = broker::SqliteLogStore::open(*folder, {.max_bytes = 0, .random = [&] { return random.u64(); }});
  if (!disk) return std::fprintf(stderr, "%s\n", disk.error().detail.c_str()), 1;
  broker::MemoryLogStore memory;
  broker::SplitLogStore store(**disk, memory);
  const int wake = ::eventfd(0, EFD_CLOEXEC);
  store.on_wake([wake] { (void)!::eventfd_write(wake, 1); });

  broker::Config config;
  metrics::Registry registry;
  broker::Metrics metrics(registry);
  SystemClock clock;
  Listeners listeners;
  broker::Core core(
      config, "bench", store, clock, [&] { return random.u64(); }, listeners, metrics);
  if (auto opened = core.open(); !opened)
    return std::fprintf(stderr, "%s\n", opened.error().detail.c_str()), 1;
  const auto wait = [&] {
    eventfd_t count = 0;
    (void)!::eventfd_read(wake, &count);
    store.poll();
  };
  core.on_bytes("edge", link::encode(link::Hello{link::kVersion, "edge", "edge", 1, "", ""}));
  core.on_bytes("edge", link::encode(link::Interest{"incidents", true}));
  core.on_bytes("publisher", link::encode(link::Hello{link::kVersion, "client", "publisher", 2, "", ""}));
  while (!core.idle()) wait();

  const double cpu_before = cpu_seconds(RUSAGE_SELF);
  const double loop_before = cpu_seconds(RUSAGE_THREAD);
  const auto start = Timer::now();
  std::size_t sent = 0;
  std::uint64_t acknowledged = 0;
  for (std::size_t next = 0; next < messages->bytes.size() || listeners.answered < sent;) {
    if (next < messages->bytes.size() && sent + messages->drafts[next] <= listeners.answered + window) {
      sent += messages->drafts[next];
      core.on_bytes("publisher", messages->bytes[next++]);
      store.poll();
      continue;
    }
    wait();
    core.on_bytes("edge",
                  link::encode(link::EdgeHeartbeat{++acknowledged, listeners.edge_bytes(), 1, "ready"}));
  }
  const double elapsed = seconds_since(start);
  const auto n = static_cast<double>(sent);
  const double loop = cpu_seconds(RUSAGE_THREAD) - loop_before;
  const double all = cpu_seconds(RUSAGE_SELF) - cpu_before;
  std::printf(
      "{\"updates\":%zu,\"batch\":%zu,\"updates_per_s\":%.0f,\"refused\":%zu,\"groups\":%lld,\"loop_us\":%.2f,\"storage_us\":%.2f}\n",
      sent, batch, n / elapsed, listeners.refused, static_cast<long long>(metrics.groups.value()),
      loop / n * 1e6, (all - loop) / n * 1e6);
  ::close(wake);
  return listeners.refused == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tocsin

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(
        stderr,
        "usage: tocsin-broker-bench LOG.csv[.xz] [drafts in a message, 256] [unanswered, 4096] [updates, all] [folder]\n"
        "prints updates a second kept on disk, and CPU microseconds an update of the loop and of the storage thread\n");
    return 2;
  }
  const auto number = [&](int at, std::size_t otherwise) {
    return argc > at ? std::strtoul(argv[at], nullptr, 10) : otherwise;
  };
  const std::filesystem::path base = argc > 5 ? argv[5] : std::filesystem::temp_directory_path();
  const auto folder = base / ("tocsin-broker-bench-" + std::to_string(::getpid()));
  const int code = tocsin::run(argv[1], number(2, 256), number(3, 4'096), number(4, 0), folder);
  std::filesystem::remove_all(folder);
  return code;
}
