#!/usr/bin/env bash
# upgrade.sh --cluster FILE [--programs DIR] [--config FILE] [--backup DIR]: other programs, or other settings, and no
# client is cut. For the cluster of a supervisor (tocsinctl up, tocsin-supervisor.service).
#
#   before   the new programs run here, they accept the settings, every process is ready, a backup is made (--backup)
#   then     tocsinctl restart --rolling: a surge edge first, edge by edge, the broker last
#   after    every process is ready, a publish is acknowledged and read back; what ran before is noted for rollback.sh
#
# Exit codes: 0 done; 1 failed half way (edges that had their turn run the new release: run rollback.sh, or this again);
# 2 usage; 3 refused, nothing was touched.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
cluster= programs= config= backup=
while [ $# -gt 0 ]; do
  case "$1" in
    --cluster) cluster=${2:-} ;;
    --programs) programs=${2:-} ;;
    --config) config=${2:-} ;;
    --backup) backup=${2:-} ;;
    *) die 2 "there is no option $1" ;;
  esac
  shift 2 || die 2 "$1 wants a value"
done
need_cluster
[ -n "$programs$config" ] || die 2 "say --programs DIR, --config FILE or both"
args=() before_programs=$(programs_now) before_config=$(config_now)

all_ready || die 3 "nothing was touched: bring the cluster up first"
if [ -n "$programs" ]; then
  programs=$(readlink -f "$programs")
  for program in tocsin-broker tocsin-edge; do
    "$programs/$program" --version >/dev/null 2>&1 || die 3 "$programs/$program does not run here; nothing was touched"
  done
  args+=(--programs "$programs")
fi
settings=${config:-$before_config}
if [ -n "$settings" ]; then
  checker=${programs:-$before_programs}/tocsinctl
  [ -x "$checker" ] || checker=$tocsinctl
  "$checker" check-config "$settings" >&2 || die 3 "the new release does not accept $settings; nothing was touched"
  [ -z "$config" ] || args+=(--config "$(readlink -f "$config")")
fi
if [ -n "$backup" ]; then
  ctl backup create --folder "$backup" >&2 || die 3 "no backup could be made; nothing was touched"
fi

# Noted first: a run that dies half way can be taken back too. The settings as they are now: the file may be edited later.
kept=
if [ -n "$before_config" ] && [ -r "$before_config" ]; then
  kept=$folder/before-upgrade-$(date -u +%Y%m%dT%H%M%SZ).yaml
  (umask 077 && cp "$before_config" "$kept")
fi
printf '%s\t%s\n' "$before_programs" "$kept" >"$folder/before-upgrade.new"
ctl restart --rolling --wait "${args[@]}" >&2 || die 1 "the rolling restart did not end well; see: tocsinctl drain report"
mv "$folder/before-upgrade.new" "$folder/before-upgrade"
soon_ready || die 1 "the new release is not ready; rollback.sh --cluster $cluster binary takes it back"
one_publish || die 1 "a publish does not come through; rollback.sh --cluster $cluster binary takes it back"
say "done; before it ran from $before_programs${kept:+ with $kept}"
