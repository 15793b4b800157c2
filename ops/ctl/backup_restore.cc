// `tocsinctl backup restore`. A local cluster that is up is put into maintenance, so that its supervisor lets
// the broker rest; edges and clients stay.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

#include "broker/backup/restore.h"
#include "broker/backup/verify.h"
#include "common/clock.h"
#include "common/json/json.h"
#include "common/random.h"
#include "common/rfc3339.h"
#include "ops/cluster/folder.h"
#include "ops/cluster/members.h"
#include "ops/ctl/api.h"
#include "ops/ctl/backup.h"
#include "ops/ctl/exit_codes.h"
#include "ops/ctl/supervisor_client.h"

namespace tocsin::ops {
namespace {

namespace backup = broker::backup;
constexpr Millis kStopPatience{30'000};
constexpr Millis kStartPatience{30'000};
constexpr useconds_t kPoll = 50'000;

bool same_folder(const std::string& a, const std::string& b) {
  std::error_code ec;
  return std::filesystem::equivalent(a, b, ec) && !ec;
}

/// The supervisor whose broker works in `data`; nothing when none does.
std::unique_ptr<SupervisorClient> supervisor_of(const BackupOptions& options, const std::string& data) {
  const auto file = open_cluster(options.cluster);
  if (!file || !same_folder(Folder{file->dir}.data(), data)) return nullptr;
  auto client = SupervisorClient::open(options.cluster, options.ca);
  if (!client || !(*client)->supervisor("GET", "/status")) return nullptr;
  return *std::move(client);
}

/// The broker's rest: from its end until it is ready again.
class Rest {
 public:
  explicit Rest(SupervisorClient& client) : client_(client) {}

  Status begin() {
    const auto body = client_.supervisor("GET", "/status");
    if (!body) return body.error();
    const auto status = json::parse(*body);
    if (!status) return status.error();
    const auto on = json::bool_member(*status, "maintenance");
    was_on_ = on && on->value_or(false);
    if (!was_on_)
      if (const auto set = client_.supervisor("POST", "/maintenance", "{\"on\":true}"); !set)
        return set.error();
    if (auto stopped = stop(*status); !stopped) {
      static_cast<void>(end());
      return stopped;
    }
    return Done{};
  }

  /// Fails with unavailable when the broker does not come back.
  Status end() {
    if (was_on_)
      return Error{Errc::unavailable,
                   "maintenance was on before, so the broker rests until tocsinctl maintenance off"};
    if (const auto set = client_.supervisor("POST", "/maintenance", "{\"on\":false}"); !set)
      return set.error();
    const SystemClock clock;
    const Instant begun = clock.steady();
    while (clock.steady() - begun < kStartPatience) {
      if (broker_ready()) return Done{};
      ::usleep(kPoll);
    }
    return Error{Errc::unavailable, "the broker is not ready yet; see tocsinctl status"};
  }

 private:
  static pid_t pid_of(const json::Value& status) {
    const json::Value* processes = json::find(status, "processes");
    if (processes == nullptr || !processes->IsArray()) return 0;
    for (const json::Value& process : processes->GetArray()) {
      const auto name = json::string_member(process, "name");
      const auto pid = json::uint_member(process, "pid");
      if (name && *name == "broker" && pid) return static_cast<pid_t>(pid->value_or(0));
    }
    return 0;
  }
  bool broker_ready() {
    const auto body = client_.supervisor("GET", "/status");
    const auto status = json::parse(body ? *body : "{}");
    const json::Value* processes = status ? json::find(*status, "processes") : nullptr;
    if (processes == nullptr || !processes->IsArray()) return false;
    for (const json::Value& process : processes->GetArray()) {
      const auto name = json::string_member(process, "name");
      const auto state = json::string_member(process, "state");
      if (name && *name == "broker") return state && *state == "ready";
    }
    return false;
  }
  static Status stop(const json::Value& status) {
    const pid_t pid = pid_of(status);
    if (pid <= 1) return Done{};  // it does not run
    if (::kill(pid, SIGTERM) != 0 && errno == EPERM)
      return Error{Errc::io, "the broker belongs to another user; run this as that user"};
    const SystemClock clock;
    const Instant begun = clock.steady();
    while (::kill(pid, 0) == 0) {
      if (clock.steady() - begun > kStopPatience)
        return Error{Errc::io, "the broker (process " + std::to_string(pid) + ") does not stop"};
      ::usleep(kPoll);
    }
    return Done{};
  }

  SupervisorClient& client_;
  bool was_on_ = false;
};

/// Nobody's Ctrl-C leaves a cluster without its broker.
void ignore_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGXFSZ}) ::signal(number, SIG_IGN);
}

void print(const backup::Restored& done, const std::string& archive, const std::string& data, bool as_json) {
  if (as_json) {
    std::string out;
    Members members(out);
    members.text("archive", archive).text("data", data).raw("manifest", done.manifest.to_json());
    members.number("new_epochs", static_cast<std::int64_t>(done.new_epochs));
    members.number("kept_epochs", static_cast<std::int64_t>(done.kept_epochs));
    members.text("set_aside", done.set_aside).end();
    std::puts(out.c_str());
    return;
  }
  std::printf(
      "restored %s of %s into %s\n  %llu updates; %llu channels begin a new epoch, %llu lost nothing and go on\n",
      archive.c_str(), rfc3339(done.manifest.created_ms).c_str(), data.c_str(),
      static_cast<unsigned long long>(done.manifest.updates),
      static_cast<unsigned long long>(done.new_epochs), static_cast<unsigned long long>(done.kept_epochs));
  if (!done.set_aside.empty())
    std::printf("  the log from before is in %s; remove it when it is not needed any more\n",
                done.set_aside.c_str());
}

int dry_run(const BackupOptions& options, const std::string& archive, const backup::Manifest& manifest,
            bool stops) {
  if (options.json)
    std::puts(("{\"archive\":" + json::quoted(archive) + ",\"manifest\":" + manifest.to_json() +
               ",\"stops_broker\":" + (stops ? "true" : "false") + ",\"dry_run\":true}")
                  .c_str());
  else
    std::printf("%s is whole, %llu updates of %s; nothing was changed%s\n", archive.c_str(),
                static_cast<unsigned long long>(manifest.updates), rfc3339(manifest.created_ms).c_str(),
                stops ? ": a restore would stop the broker for the time" : "");
  return kExitOk;
}

}  // namespace

int run_backup_restore(const BackupOptions& options) {
  const auto archive = backup_archive(options);
  if (!archive) return complain_backup(archive.error());
  const auto data = backup_data(options);
  if (!data) return complain_backup(data.error());
  // Judged before anything is stopped.
  const auto judged = backup::verify(*archive);
  if (!judged) return complain_backup(judged.error());
  const auto supervisor = supervisor_of(options, *data);
  if (options.dry_run) return dry_run(options, *archive, *judged, supervisor != nullptr);

  ignore_signals();
  std::optional<Rest> rest;
  if (supervisor != nullptr) {
    rest.emplace(*supervisor);
    if (auto begun = rest->begin(); !begun) return complain_backup(begun.error());
  }
  SystemRandom random;
  backup::RestoreRequest request{*archive, *data, backup::OtherCluster::refuse,
                                 [&random] { return random.u64(); }};
  if (options.other_cluster) request.other_cluster = backup::OtherCluster::take;
  const auto done = backup::restore(request);
  int code = kExitOk;
  if (done)
    print(*done, *archive, *data, options.json);
  else
    code = complain_backup(done.error());
  if (!rest) return code;
  const auto back = rest->end();
  if (!back && code == kExitOk) return complain(back.error().detail, kExitNotReady);
  return code;
}

}  // namespace tocsin::ops
