// The command line of `tocsinctl backup`.
#include "ops/ctl/backup.h"

namespace tocsin::ops {
namespace {

using Run = int (*)(const BackupOptions&);

CLI::App* command(CLI::App* parent, BackupLine& line, const char* name, const char* help, Run run) {
  BackupOptions& o = line.options;
  auto* out = parent->add_subcommand(name, help);
  out->add_flag("--json", o.json, "JSON for machines");
  out->add_option("--cluster", o.cluster, "cluster.json to use");
  out->add_option("--data", o.data,
                  "The broker's data folder ($TOCSIN_BROKER_DATA_DIR, the local cluster's)");
  out->add_option("--folder", o.folder, "Folder of backups ($TOCSIN_BACKUP_FOLDER, backups beside the data)");
  out->callback([&line, run] {
    BackupOptions& given = line.options;
    if (given.cluster.empty()) given.cluster = line.common->cluster;
    if (given.ca.empty()) given.ca = line.common->ca;
    given.json = given.json || line.common->json;
    *line.exit_code = run(given);
  });
  return out;
}

}  // namespace

void add_backup(CLI::App& app, BackupLine& line) {
  BackupOptions& o = line.options;
  auto* backup = app.add_subcommand("backup", "Back up the broker's log and restore it");
  backup->require_subcommand(1);

  auto* create =
      command(backup, line, "create", "A backup now, while the broker runs or not", run_backup_create);
  create
      ->add_option("--rate", o.rate_mb,
                   "MiB of the log read in a second, so that publishers do not wait; 0: any")
      ->capture_default_str();
  create->add_option("--reserve", o.reserve_mb, "MiB to leave free on the backups' disk")
      ->capture_default_str();

  command(backup, line, "list", "The backups in the folder, newest first", run_backup_list);

  auto* verify = command(backup, line, "verify", "Read a backup to its end: is it whole?", run_backup_verify);
  verify->add_option("archive", o.archive, "A file, or a name in the folder; the newest when not given");
  verify->add_flag("--all", o.all, "Each one in the folder");

  auto* restore = command(backup, line, "restore",
                          "Put a backup in the place of the log, which is kept aside; clients are told",
                          run_backup_restore);
  restore->add_option("archive", o.archive, "A file, or a name in the folder; the newest when not given");
  restore->add_flag("--dry-run", o.dry_run, "Only check that it could be done");
  restore->add_flag("--other-cluster", o.other_cluster, "Also when the backup is of another cluster");

  auto* prune =
      command(backup, line, "prune", "Remove old backups; the newest always stays", run_backup_prune);
  prune->add_option("--keep", o.keep, "Newest ones that stay; 0: however many")->capture_default_str();
  prune->add_option("--keep-days", o.keep_days, "Days that one stays; 0: however many")
      ->capture_default_str();
  prune->add_flag("--dry-run", o.dry_run, "Only say what would go");

  auto* exporting =
      command(backup, line, "export",
              "Connections and sessions of a backup as JSON, websocket_backup_full_<time>.json.gz",
              run_backup_export);
  exporting->add_option("archive", o.archive, "A file, or a name in the folder; the newest when not given");
  exporting->add_option("--to", o.to, "Folder for the two files; the one of the backups when not given");
  exporting->add_flag("--plain", o.plain, "Without gzip");
  exporting->add_option("--session-prefix", o.prefix, "Of the keys in redis_sessions")->capture_default_str();
}

}  // namespace tocsin::ops
