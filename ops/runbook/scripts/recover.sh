#!/usr/bin/env bash
# recover.sh --dir FOLDER --folder BACKUPS [--edges N] [--port P] [--config FILE] [ARCHIVE]: disaster recovery. A machine and a
# backup are all that is left: the log is restored into an empty cluster folder, the cluster is started (by tocsinctl up,
# in the background of this script until it serves) and looked at. The newest backup when none is named.
#
# Clients that come back with positions of the lost cluster are told so (a new epoch) and get a snapshot, if they ask for
# one; publishers that repeat what they sent since the backup, under the same event ids, fill the hole.
# Exit codes: 0 it serves, and its process id is on stdout; 1 failed; 2 usage; 3 refused, nothing was touched.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
dir= backups= edges=2 port=8080 config=() archive=
while [ $# -gt 0 ]; do
  case "$1" in
    --dir) dir=${2:-}; shift ;;
    --folder) backups=${2:-}; shift ;;
    --edges) edges=${2:-}; shift ;;
    --port) port=${2:-}; shift ;;
    --config) config=(--config "${2:-}"); shift ;;
    -*) die 2 "there is no option $1" ;;
    *) archive=$1 ;;
  esac
  shift || true
done
[ -n "$dir" ] && [ -n "$backups" ] || die 2 "say --dir and --folder"
[ ! -e "$dir/data/log.db" ] || die 3 "$dir holds a log already; recovery is for an empty folder (rollback.sh data is for a cluster that is up)"
"$tocsinctl" backup verify --folder "$backups" ${archive:+"$archive"} >&2 || die 3 "there is no backup in $backups that can be trusted"
mkdir -p "$dir"
chmod 700 "$dir"
"$tocsinctl" backup restore --data "$dir/data" --folder "$backups" --other-cluster ${archive:+"$archive"} >&2 || die 1 "the restore failed"
cluster=$dir/cluster.json
nohup "$tocsinctl" up --dir "$dir" --edges "$edges" --port "$port" "${config[@]}" >"$dir/up.out" 2>&1 &
pid=$!
for ((i = 0; i < 240; i++)); do
  kill -0 "$pid" 2>/dev/null || { cat "$dir/up.out" >&2; die 1 "the cluster does not start"; }
  if [ -f "$cluster" ] && ctl status >/dev/null 2>&1; then
    one_publish || die 1 "a publish does not come through"
    echo "$pid"
    say "done: $cluster"
    exit 0
  fi
  sleep 0.5
done
die 1 "not ready after two minutes; see $dir/up.out"
