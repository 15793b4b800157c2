#!/usr/bin/env bash
# rollback.sh --cluster FILE binary|configuration|both     back to what ran before upgrade.sh, no client is cut
# rollback.sh --cluster FILE data [ARCHIVE] [--folder DIR] the log as a backup has it, the newest when none is named
#
# data: clients keep their sockets and are told that their positions are lost (a new epoch), publishers that repeat their
# updates fill the hole; what was there is set aside by tocsinctl. Exit codes as of upgrade.sh.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
cluster= what= archive= backups=
while [ $# -gt 0 ]; do
  case "$1" in
    --cluster) cluster=${2:-}; shift ;;
    --folder) backups=${2:-}; shift ;;
    binary | configuration | both | data) what=$1 ;;
    -*) die 2 "there is no option $1" ;;
    *) archive=$1 ;;
  esac
  shift || true
done
need_cluster
case "$what" in
  data)
    args=()
    [ -z "$backups" ] || args+=(--folder "$backups")
    ctl backup restore --dry-run "${args[@]}" ${archive:+"$archive"} >&2 || die 3 "that backup cannot be restored; nothing was touched"
    ctl backup restore "${args[@]}" ${archive:+"$archive"} >&2 || die 1 "the restore failed; tocsinctl has said where the log is"
    ;;
  binary | configuration | both)
    record=$folder/before-upgrade
    [ ! -f "$folder/before-upgrade.new" ] || record=$folder/before-upgrade.new   # of an upgrade that did not end
    [ -r "$record" ] || die 3 "no upgrade is noted in $folder; nothing was touched"
    IFS=$'\t' read -r programs config <"$record" || true
    args=()
    if [ "$what" != configuration ]; then args+=(--programs "$programs"); fi
    if [ "$what" != binary ]; then
      [ -n "$config" ] || die 3 "before the upgrade there was no file of settings; start the cluster without --config for that"
      args+=(--config "$config")
    fi
    ctl restart --rolling --wait "${args[@]}" >&2 || die 1 "the rolling restart did not end well; see: tocsinctl drain report"
    rm -f "$folder/before-upgrade.new"
    ;;
  *) die 2 "say binary, configuration, both or data" ;;
esac
soon_ready || die 1 "not ready after the rollback"
one_publish || die 1 "a publish does not come through after the rollback"
say "done: $what"
