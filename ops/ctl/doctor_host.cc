// The doctor's looks at this host: clock, limits of the system, disk, backups.
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "broker/backup/shelf.h"
#include "common/config/loader.h"
#include "common/crypto/certificate.h"
#include "common/json/json.h"
#include "ops/cluster/file.h"
#include "ops/cluster/folder.h"
#include "ops/ctl/doctor.h"

namespace tocsin::ops {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream in(path);
  std::uint64_t n = 0;
  return in >> n ? std::optional(n) : std::nullopt;
}

struct Room {
  double free_percent = 100;
  std::uint64_t free_mb = 0;
  std::uint64_t disk = 0;
};
std::optional<Room> room_of(const std::string& path) {
  struct statvfs info {};
  if (::statvfs(path.c_str(), &info) != 0 || info.f_blocks == 0) return std::nullopt;
  return Room{100.0 * static_cast<double>(info.f_bavail) / static_cast<double>(info.f_blocks),
              std::uint64_t{info.f_bavail} * info.f_frsize >> 20U, info.f_fsid};
}

std::string percent(double n) { return std::to_string(static_cast<int>(std::floor(n))) + " %"; }

std::uint64_t size_of(const std::string& path) {
  std::error_code ec;
  const auto size = fs::file_size(path, ec);
  return ec ? 0 : size;
}

void check_memory(Findings& out) {
  std::ifstream in("/proc/meminfo");
  std::uint64_t total = 0, available = 0;
  std::string name, unit;
  std::uint64_t n = 0;
  while (in >> name >> n && std::getline(in, unit)) {
    if (name == "MemTotal:") total = n;
    if (name == "MemAvailable:") available = n;
  }
  if (total == 0) return;
  const double left = 100.0 * static_cast<double>(available) / static_cast<double>(total);
  const std::string what = percent(left) + " of memory is available";
  if (left < 5)
    out.bad(
        "memory", what,
        "the system kills a process next: end others, add memory, or lower fanout.total_max_bytes and cache.*");
  else if (left < 10)
    out.warn("memory", what, "add memory, or lower fanout.total_max_bytes and cache.*");
  else
    out.ok("memory", what);
}

void check_connections(Findings& out) {
  const auto backlog = number_in("/proc/sys/net/core/somaxconn");
  if (backlog && *backlog < 1'024)
    out.warn("limits",
             "net.core.somaxconn is " + std::to_string(*backlog) + ": a storm of reconnects overflows it",
             "sysctl -w net.core.somaxconn=4096, and in /etc/sysctl.d");
  const auto used = number_in("/proc/sys/net/netfilter/nf_conntrack_count");
  const auto most = number_in("/proc/sys/net/netfilter/nf_conntrack_max");
  if (used && most && *most > 0 && *used * 10 > *most * 8)
    out.bad("limits",
            "the firewall tracks " + std::to_string(*used) + " of at most " + std::to_string(*most) +
                " connections; it drops new ones beyond",
            "sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(*most * 4) +
                ", or do not track the edges' port");
  const auto files = number_in("/proc/sys/fs/nr_open");
  if (files && *files < 100'000)
    out.warn("limits", "fs.nr_open is " + std::to_string(*files) + ": no process can have more files open",
             "sysctl -w fs.nr_open=1048576, and in /etc/sysctl.d");
}

}  // namespace

void check_clock(Findings& out) {
  timex state{};  // nothing is set: it only reads
  const int code = ::adjtimex(&state);
  if (code < 0)
    return out.warn("clock", "the system does not say whether its clock is right",
                    "look at timedatectl on the host");
  if (code == TIME_ERROR || (static_cast<unsigned>(state.status) & static_cast<unsigned>(STA_UNSYNC)) != 0)
    return out.warn("clock", "nobody keeps this host's clock right: tokens and certificates are judged by it",
                    "run chrony or systemd-timesyncd on the host");
  out.ok("clock", "synchronised, off by " + std::to_string(state.maxerror / 1'000) + " ms at most");
}

void check_certificate(Findings& out, const std::string& cluster_dir, const std::string& ca,
                       std::int64_t now_s) {
  const auto state = read_file(Folder{cluster_dir}.state_file());
  const auto document = json::parse(state ? *state : "{}");
  const json::Value* fleet = document ? json::find(*document, "fleet") : nullptr;
  const json::Value* asked = fleet == nullptr ? nullptr : json::find(*fleet, "asked");
  if (asked == nullptr) return;
  const auto path = json::string_member(*asked, "config_file");
  const std::string config(path ? path->value_or("") : "");
  const auto text = config.empty() ? Result<std::string>(Error{Errc::not_found, {}}) : read_file(config);
  if (!text) return;
  const auto settings = config::parse_yaml(*text, config);
  if (!settings)
    return out.bad("settings", settings.error().detail, "correct it: tocsinctl check-config " + config);
  std::string cert, key;
  for (const auto& setting : *settings) {
    if (setting.key == "tls.cert_file") cert = setting.text;
    if (setting.key == "tls.key_file") key = setting.text;
  }
  if (cert.empty()) return;
  const std::string todo =
      "tocsinctl cert check --config " + config + " says more; --ca names authorities of your own";
  const auto chain = read_file(cert), secret = read_file(key);
  if (!chain || !secret)
    return out.bad("certificate", (chain ? secret : chain).error().detail,
                   "make it readable for this user, or correct tls.*");
  const auto answer = crypto::examine({*chain, *secret, ca, {}, now_s});
  if (!answer) return out.bad("certificate", cert + ": " + answer.error().detail, todo);
  for (const std::string& problem : answer->problems) out.warn("certificate", cert + ": " + problem, todo);
}

void check_system(Findings& out) {
  check_memory(out);
  check_connections(out);
}

std::optional<std::uint64_t> open_files_limit(std::string_view limits) {
  constexpr std::string_view kName = "Max open files";
  const auto at = limits.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = limits.substr(at + kName.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  if (rest.starts_with("unlimited")) return std::numeric_limits<std::uint64_t>::max();
  std::uint64_t n = 0;
  const auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), n);
  return ec == std::errc{} ? std::optional(n) : std::nullopt;
}

void check_files(Findings& out, const std::string& name, pid_t pid, std::uint64_t open) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/limits", 64U << 10U);
  const auto most = text ? open_files_limit(*text) : std::nullopt;
  if (!most) return;
  const std::string what =
      name + " may open " + std::to_string(*most) + " files, has " + std::to_string(open);
  const std::string todo = "raise LimitNOFILE of the service (ulimit -n of the shell), then restart " + name;
  if (open > *most / 10 * 9)
    out.bad("limits", what + ": it turns clients away soon", todo);
  else if (open > *most / 10 * 7 || *most < 4'096)
    out.warn("limits", what + ": each client is one", todo);
}

void check_disk(Findings& out, const std::string& data_dir) {
  const auto room = room_of(data_dir);
  if (!room)
    return out.bad("disk", "the broker's data folder " + data_dir + " cannot be looked at",
                   "name it with --data; run this as the broker's user");
  const std::string what = percent(room->free_percent) + " (" + std::to_string(room->free_mb) +
                           " MiB) free for the log in " + data_dir;
  const char* todo =
      "tocsinctl backup prune, remove before-restore-* and old logs, or a larger disk; full, the broker takes no updates";
  if (room->free_percent < 5)
    out.bad("disk", what, todo);
  else if (room->free_percent < 10)
    out.warn("disk", what, todo);
  else
    out.ok("disk", what);
  if (const auto wal = size_of(data_dir + "/log.db-wal") >> 20U; wal > 1'024)
    out.warn("disk", "the write-ahead log has grown to " + std::to_string(wal) + " MiB",
             "somebody reads the database without end: look for tools that have log.db open (fuser)");
  std::error_code ec;
  for (fs::directory_iterator entry(data_dir, ec), end; !ec && entry != end; entry.increment(ec)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("before-restore-"))
      out.warn("disk", "the log from before a restore is still in " + data_dir + "/" + name,
               "remove the folder when it is not needed any more");
  }
}

void check_backups(Findings& out, const std::string& folder, const std::string& data_dir, std::int64_t now_ms,
                   double every_s) {
  const auto entries = broker::backup::list(folder);
  if (!entries) return out.bad("backup", entries.error().detail, "make the folder readable for this user");
  for (const auto& entry : *entries)
    if (!entry.manifest) out.warn("backup", entry.problem, "remove it, or take another copy of it");
  const auto newest = std::find_if(entries->begin(), entries->end(),
                                   [](const auto& entry) { return entry.manifest.has_value(); });
  if (newest == entries->end())
    return every_s > 0 ? out.bad("backup", "backups are scheduled, and there is none in " + folder,
                                 "the broker's log says why: \"a scheduled backup failed\"")
                       : out.warn("backup", "there is no backup in " + folder,
                                  "backup.every_s in the broker's settings, or tocsinctl backup create");
  const double age_s = static_cast<double>(now_ms - newest->manifest->created_ms) / 1'000;
  const std::string what = "the newest is " + std::to_string(static_cast<std::int64_t>(age_s / 3'600)) +
                           " hours old: " + newest->path;
  const bool old = age_s > (every_s > 0 ? 2 * every_s + 600 : 7 * 86'400.0);
  if (old && every_s > 0)
    out.bad("backup", what, "it is overdue; the broker's log says why");
  else if (old)
    out.warn("backup", what, "backup.every_s in the broker's settings, or tocsinctl backup create");
  else
    out.ok("backup", what);
  const auto there = room_of(folder), here = room_of(data_dir);
  if (there && here && there->disk != 0 && there->disk == here->disk)
    out.warn("backup", "backups are on the disk of the log: they are lost with it",
             "backup.folder on another disk, and copies on another machine");
}

}  // namespace tocsin::ops
