#include "broker/backup/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>

#include "broker/backup/rebuild.h"
#include "broker/backup/verify.h"
#include "broker/log/data_folder.h"
#include "common/clock.h"

namespace tocsin::broker::backup {
namespace {

namespace fs = std::filesystem;

/// A folder that a broker has used, or one that holds nothing yet: not somebody's home.
Status check_folder(const std::string& path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) return Done{};
  if (!fs::is_directory(path, ec)) return Error{Errc::invalid_argument, path + " is no folder"};
  if (fs::exists(path + "/CLUSTER", ec) || fs::exists(path + "/log.db", ec)) return Done{};
  for (fs::directory_iterator entry(path, ec), end; !ec && entry != end; entry.increment(ec)) {
    const std::string name = entry->path().filename().string();
    if (name == "LOCK" || name == "COMMITS" || name == "lost+found") continue;
    return Error{Errc::invalid_argument,
                 path + " is no broker's data folder: it holds " + name +
                     " and no log; name the folder of broker.data_dir, or an empty one"};
  }
  if (ec) return Error{Errc::io, "cannot look into " + path + ": " + ec.message()};
  return Done{};
}

/// Too little room is better known before than in the middle.
Status check_room(const std::string& folder, const Manifest& manifest) {
  struct statvfs room {};
  if (::statvfs(folder.c_str(), &room) != 0) return Done{};
  const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
  const std::uint64_t wanted = manifest.raw_bytes + manifest.raw_bytes / 5;  // pages are not quite full
  if (free >= wanted) return Done{};
  return Error{Errc::disk_full, "the log needs about " + std::to_string(wanted >> 20U) +
                                    " MiB beside the old one, " + folder + " has " +
                                    std::to_string(free >> 20U) +
                                    " MiB free; free some, then repeat: nothing was changed"};
}

/// What the log that is replaced proves. Nothing when it cannot be read, or was itself put there behind its
/// broker's back.
ChannelHeads known_heads(const DataFolder& folder) {
  std::error_code ec;
  if (!folder.established() || !fs::exists(folder.database(), ec)) return {};
  auto db = Db::open(folder.database(), Db::Mode::read);
  if (!db) return {};
  const auto commits = db->number("SELECT commits FROM counter");
  if (!commits || folder.restored(static_cast<std::uint64_t>(*commits))) return {};
  auto heads = channel_heads(*db);
  return heads ? *std::move(heads) : ChannelHeads{};
}

std::string stamp() {
  const std::time_t seconds = SystemClock().wall_ms() / 1'000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &utc);
  return text.data();
}

Error io(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

void sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

/// The old log with all that belongs to it, moved out of the way; its path.
Result<std::string> set_aside(const std::string& data_dir) {
  const std::string log = data_dir + "/log.db";
  std::error_code ec;
  if (!fs::exists(log, ec) && !fs::exists(log + "-wal", ec)) return std::string();
  std::string aside = data_dir + "/before-restore-" + stamp();
  for (int n = 2; fs::exists(aside, ec); ++n)
    aside = data_dir + "/before-restore-" + stamp() + "-" + std::to_string(n);
  if (::mkdir(aside.c_str(), 0700) != 0) return io("cannot make " + aside);
  // The database first: a folder without one is refused, one without its write-ahead log would be believed.
  for (const char* name : {"log.db", "log.db-wal", "log.db-shm"}) {
    const std::string from = data_dir + "/" + name;
    if (::rename(from.c_str(), (aside + "/" + name).c_str()) != 0 && errno != ENOENT)
      return io("cannot move " + from + " to " + aside);
  }
  sync_folder(aside);
  return aside;
}

Error explain(const Error& error, const std::string& path) {
  if (error.code == Errc::disk_full)
    return {Errc::disk_full, "no space left for " + path + " (" + error.detail + "); nothing was changed"};
  if (error.code == Errc::io)
    return {Errc::io, "cannot write " + path + " (" + error.detail + "); nothing was changed"};
  return error;
}

}  // namespace

Result<Restored> restore(const RestoreRequest& request) {
  if (auto ok = check_folder(request.data_dir); !ok) return ok.error();
  Restored out;
  auto judged = verify(request.archive);
  if (!judged) return judged.error();
  out.manifest = *std::move(judged);

  const bool any = request.other_cluster == OtherCluster::take;
  auto folder =
      DataFolder::claim(request.data_dir, any ? std::string() : out.manifest.cluster, out.manifest.cluster);
  if (!folder && folder.error().code == Errc::conflict)
    return Error{Errc::conflict, request.archive + " is of cluster " + out.manifest.cluster + ": " +
                                     folder.error().detail + "; --other-cluster takes it all the same"};
  if (!folder) return folder.error();
  if (auto room = check_room(request.data_dir, out.manifest); !room) return room.error();

  const std::string beside = folder->database() + ".restoring";
  auto rebuild = Rebuild::begin(beside);
  if (!rebuild) return explain(rebuild.error(), beside);
  const Visitor visitor{[&](const Head& head) { return rebuild->take_head(head); },
                        [&](const Row& row, const Head&) { return rebuild->take_row(row); }};
  if (auto walked = walk(request.archive, visitor); !walked) return explain(walked.error(), beside);
  const ChannelHeads known = known_heads(*folder);
  const auto changed = rebuild->finish(known, request.random);
  if (!changed) return explain(changed.error(), beside);
  out.new_epochs = *changed;
  out.kept_epochs = out.manifest.channels - *changed;

  auto aside = set_aside(request.data_dir);
  if (!aside) return aside.error();
  out.set_aside = *std::move(aside);
  if (::rename(beside.c_str(), folder->database().c_str()) != 0)
    return io("cannot put the restored log in place; repeat the restore");
  rebuild->keep();
  sync_folder(request.data_dir);
  folder->note_commit(out.manifest.commits);
  if (auto named = folder->establish(); !named) return named.error();
  folder->forget_restored();
  return out;
}

}  // namespace tocsin::broker::backup
