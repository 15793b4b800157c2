#pragma once
// `tocsinctl backup`: makes, lists, checks, prunes, exports and restores backups of a broker's log. Works on
// folders: beside the broker, or on its volume when it is stopped.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "common/result.h"
#include "ops/ctl/commands.h"

namespace tocsin::ops {

struct BackupOptions : Common {
  std::string data;    ///< the broker's folder; empty: $TOCSIN_BROKER_DATA_DIR, or the local cluster's
  std::string folder;  ///< of archives; empty: $TOCSIN_BACKUP_FOLDER, or "backups" beside the data
  std::string archive;
  std::uint64_t rate_mb = 32;
  std::uint64_t reserve_mb = 512;
  std::uint64_t keep = 24;
  std::uint64_t keep_days = 0;
  bool all = false;
  bool dry_run = false;
  bool other_cluster = false;
  bool plain = false;  ///< export: not compressed
  std::string to;      ///< export: folder
  std::string prefix = "vedfolnir:session:";
};

[[nodiscard]] int run_backup_create(const BackupOptions& options);
[[nodiscard]] int run_backup_list(const BackupOptions& options);
[[nodiscard]] int run_backup_verify(const BackupOptions& options);
[[nodiscard]] int run_backup_prune(const BackupOptions& options);
[[nodiscard]] int run_backup_export(const BackupOptions& options);
/// Of a local cluster that is up: stops its broker for the time, and starts it again whatever happened.
[[nodiscard]] int run_backup_restore(const BackupOptions& options);

struct BackupLine {
  Common* common = nullptr;  ///< what was given before the command
  int* exit_code = nullptr;
  BackupOptions options;
};
/// `line` must outlive `app`'s parsing.
void add_backup(CLI::App& app, BackupLine& line);

// What the commands share.
/// The broker's data folder. Fails with not_found that says how to name one.
[[nodiscard]] Result<std::string> backup_data(const BackupOptions& options);
/// The folder of archives. Fails the same way.
[[nodiscard]] Result<std::string> backup_folder(const BackupOptions& options);
/// A path, a name in the folder, or the newest that reads as a backup. Fails with not_found.
[[nodiscard]] Result<std::string> backup_archive(const BackupOptions& options);
int complain_backup(const Error& error);

}  // namespace tocsin::ops
