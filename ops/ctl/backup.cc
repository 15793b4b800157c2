// `tocsinctl backup` but for restore: create, list, verify, prune, export.
#include "ops/ctl/backup.h"

#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "broker/backup/create.h"
#include "broker/backup/export.h"
#include "broker/backup/shelf.h"
#include "broker/backup/verify.h"
#include "common/clock.h"
#include "common/json/json.h"
#include "common/rfc3339.h"
#include "ops/cluster/cluster_file.h"
#include "ops/cluster/folder.h"
#include "ops/cluster/members.h"
#include "ops/ctl/api.h"
#include "ops/ctl/exit_codes.h"

namespace tocsin::ops {
namespace {

namespace backup = broker::backup;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::string size_text(std::uint64_t bytes) {
  char text[32];
  if (bytes < (1U << 20U))
    std::snprintf(text, sizeof text, "%.1f KiB", static_cast<double>(bytes) / 1024);
  else
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string entry_json(const std::string& path, std::uint64_t bytes, const backup::Manifest* manifest,
                       const std::string& problem) {
  std::string out;
  Members members(out);
  members.text("file", path).number("bytes", static_cast<std::int64_t>(bytes));
  if (manifest != nullptr) members.raw("manifest", manifest->to_json());
  members.text("problem", problem).end();
  return out;
}

std::string summary(const backup::Manifest& m) {
  return std::to_string(m.updates) + " updates in " + std::to_string(m.channels) + " channels, " +
         std::to_string(m.incidents) + " incidents, " + std::to_string(m.sessions) + " sessions";
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

int verify_one(const std::string& path, bool as_json) {
  const auto judged = backup::verify(path);
  struct stat info {};
  static_cast<void>(::stat(path.c_str(), &info));
  if (as_json)
    std::puts(entry_json(path, static_cast<std::uint64_t>(info.st_size), judged ? &*judged : nullptr,
                         judged ? "" : judged.error().detail)
                  .c_str());
  else if (judged)
    std::printf("%s is whole: %s of %s\n", path.c_str(), summary(*judged).c_str(),
                rfc3339(judged->created_ms).c_str());
  if (judged) return kExitOk;
  return as_json ? kExitFailure : complain_backup(judged.error());
}

}  // namespace

int complain_backup(const Error& error) {
  switch (error.code) {
    case Errc::conflict:
      return complain(error.detail, kExitConflict);
    case Errc::not_found:
    case Errc::invalid_argument:
    case Errc::unavailable:
      return complain(error);
    default:
      return complain(error.detail, kExitFailure);
  }
}

Result<std::string> backup_data(const BackupOptions& options) {
  if (!options.data.empty()) return options.data;
  if (options.cluster.empty())
    if (auto named = environment("TOCSIN_BROKER_DATA_DIR"); !named.empty()) return named;
  const auto file = open_cluster(options.cluster);
  if (!file)
    return Error{Errc::not_found,
                 "which broker? Name its data folder with --data or $TOCSIN_BROKER_DATA_DIR, or a "
                 "local cluster with --cluster (" +
                     file.error().detail + ")"};
  return Folder{file->dir}.data();
}

Result<std::string> backup_folder(const BackupOptions& options) {
  if (!options.folder.empty()) return options.folder;
  if (auto named = environment("TOCSIN_BACKUP_FOLDER"); !named.empty()) return named;
  const auto data = backup_data(options);
  if (!data) return data.error();
  return backup::folder_for(*data, {});
}

Result<std::string> backup_archive(const BackupOptions& options) {
  if (options.archive.find('/') != std::string::npos) return options.archive;
  struct stat info {};
  if (!options.archive.empty() && ::stat(options.archive.c_str(), &info) == 0) return options.archive;
  const auto folder = backup_folder(options);
  if (!folder) return folder.error();
  if (!options.archive.empty()) {
    const bool whole = options.archive.ends_with(".tar");
    return *folder + "/" + options.archive + (whole ? "" : ".tar");
  }
  const auto entries = backup::list(*folder);
  if (!entries) return entries.error();
  for (const auto& entry : *entries)
    if (entry.manifest) return entry.path;
  return Error{Errc::not_found,
               "there is no backup in " + *folder + "; make one with tocsinctl backup create"};
}

int run_backup_create(const BackupOptions& options) {
  const auto data = backup_data(options);
  if (!data) return complain_backup(data.error());
  const auto folder = backup_folder(options);
  if (!folder) return complain_backup(folder.error());
  ::signal(SIGXFSZ, SIG_IGN);  // a file that outgrows a limit is an error, not the end of us
  backup::step_back();
  backup::CreateRequest request;
  request.data_dir = *data;
  request.folder = *folder;
  request.bytes_per_s = options.rate_mb << 20U;
  request.reserve_bytes = options.reserve_mb << 20U;
  const auto made = backup::create(request);
  if (!made) return complain_backup(made.error());
  if (options.json)
    std::puts(entry_json(made->path, made->file_bytes, &made->manifest, {}).c_str());
  else
    std::printf("%s\n  %s, %s in %.1f s\n", made->path.c_str(), summary(made->manifest).c_str(),
                size_text(made->file_bytes).c_str(), static_cast<double>(made->manifest.took_ms) / 1000);
  return kExitOk;
}

int run_backup_list(const BackupOptions& options) {
  const auto folder = backup_folder(options);
  if (!folder) return complain_backup(folder.error());
  const auto entries = backup::list(*folder);
  if (!entries) return complain_backup(entries.error());
  for (const auto& entry : *entries) {
    if (options.json)
      std::puts(
          entry_json(entry.path, entry.file_bytes, entry.manifest ? &*entry.manifest : nullptr, entry.problem)
              .c_str());
    else if (entry.manifest)
      std::printf("%-36s %10s  %s  %s\n", name_of(entry.path).c_str(), size_text(entry.file_bytes).c_str(),
                  rfc3339(entry.manifest->created_ms).c_str(), summary(*entry.manifest).c_str());
    else
      std::printf("%-36s %10s  NOT USABLE: %s\n", name_of(entry.path).c_str(),
                  size_text(entry.file_bytes).c_str(), entry.problem.c_str());
  }
  if (!options.json && entries->empty()) std::printf("no backups in %s\n", folder->c_str());
  return kExitOk;
}

int run_backup_verify(const BackupOptions& options) {
  if (!options.all) {
    const auto archive = backup_archive(options);
    return archive ? verify_one(*archive, options.json) : complain_backup(archive.error());
  }
  const auto folder = backup_folder(options);
  if (!folder) return complain_backup(folder.error());
  const auto entries = backup::list(*folder);
  if (!entries) return complain_backup(entries.error());
  int worst = kExitOk;
  for (const auto& entry : *entries) worst = std::max(worst, verify_one(entry.path, options.json));
  if (!entries->empty()) return worst;
  return complain("there is no backup in " + *folder, kExitNotFound);
}

int run_backup_prune(const BackupOptions& options) {
  const auto folder = backup_folder(options);
  if (!folder) return complain_backup(folder.error());
  if (options.keep == 0 && options.keep_days == 0)
    return complain("--keep 0 without --keep-days keeps everything: give one of them", kExitUsage);
  const auto pruned =
      backup::prune(*folder, {options.keep, options.keep_days}, SystemClock().wall_ms(), !options.dry_run);
  if (!pruned) return complain_backup(pruned.error());
  if (options.json) {
    std::string out;
    Members members(out);
    members.texts("removed", pruned->removed).texts("leftovers", pruned->leftovers);
    members.number("bytes", static_cast<std::int64_t>(pruned->bytes)).flag("dry_run", options.dry_run).end();
    std::puts(out.c_str());
    return kExitOk;
  }
  const char* verb = options.dry_run ? "would remove" : "removed";
  for (const auto* files : {&pruned->removed, &pruned->leftovers})
    for (const std::string& path : *files) std::printf("%s %s\n", verb, path.c_str());
  std::printf("%s %zu backups and %zu leftovers, %s\n", verb, pruned->removed.size(),
              pruned->leftovers.size(), size_text(pruned->bytes).c_str());
  return kExitOk;
}

int run_backup_export(const BackupOptions& options) {
  const auto archive = backup_archive(options);
  if (!archive) return complain_backup(archive.error());
  ::signal(SIGXFSZ, SIG_IGN);
  backup::ExportRequest request;
  request.archive = *archive;
  request.folder = options.to;
  request.compressed = !options.plain;
  request.session_prefix = options.prefix;
  if (request.folder.empty()) {
    const auto folder = backup_folder(options);
    if (!folder) return complain_backup(folder.error());
    request.folder = *folder;
  }
  const auto made = backup::export_json(request);
  if (!made) return complain_backup(made.error());
  if (options.json) {
    std::string out;
    Members members(out);
    members.text("backup_id", made->id).text("file", made->path).text("metadata", made->metadata_path);
    members.number("connections", static_cast<std::int64_t>(made->connections));
    members.number("sessions", static_cast<std::int64_t>(made->sessions)).end();
    std::puts(out.c_str());
  } else {
    std::printf("%s\n%s\n  %llu connections, %llu sessions\n", made->path.c_str(),
                made->metadata_path.c_str(), static_cast<unsigned long long>(made->connections),
                static_cast<unsigned long long>(made->sessions));
  }
  return kExitOk;
}

}  // namespace tocsin::ops
