# What the scripts of the runbooks share. Sourced. TOCSINCTL names the tocsinctl to use, else the one in PATH.
tocsinctl=${TOCSINCTL:-tocsinctl}
self=$(basename "$0")

say() { echo "$self: $*" >&2; }
die() { say "$2"; exit "$1"; }   # the code first: 1 failed, 2 usage, 3 refused before anything was touched
ctl() { "$tocsinctl" --cluster "$cluster" "$@"; }

need_cluster() {
  [ -n "${cluster:-}" ] || die 2 "say --cluster FILE (cluster.json)"
  [ -r "$cluster" ] || die 2 "$cluster cannot be read"
  folder=$(dirname "$(readlink -f "$cluster")")
  command -v "$tocsinctl" >/dev/null || die 2 "tocsinctl is not in PATH; set TOCSINCTL"
}

# all_ready: each process answers that it is ready; else what is wrong is said.
all_ready() { local text; text=$(ctl status) || { say "not every process is ready:"; echo "$text" >&2; return 1; }; }

# soon_ready: after a change; edges find a broker that was away within seconds. Says what is wrong after a minute.
soon_ready() {
  local deadline=$((SECONDS + 60))
  until ctl status >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || { all_ready; return; }
    sleep 0.5
  done
}

# patiently COMMAND..: again while it ends with 4. An edge that has just come is known to the others within a heartbeat or
# two; until then they say that there is no such edge.
patiently() {
  local deadline=$((SECONDS + 15)) code said
  while :; do
    code=0
    { said=$("$@" 2>&1 >&3) || code=$?; } 3>&1
    [ "$code" = 4 ] && [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.5
  done
  [ -z "$said" ] || echo "$said" >&2
  return "$code"
}

# one_publish: an update that is acknowledged and read back, through an edge.
one_publish() {
  local id
  id="runbook-$$-$RANDOM"
  ctl publish --via http --channel _runbook --key "$id" --set title="$self" >/dev/null 2>&1 ||
    ctl publish --channel _runbook --key "$id" --set title="$self" >/dev/null || return 1
  ctl incidents "$id" --channel _runbook >/dev/null
}

# programs_now, config_now: what the broker runs from, and the file of its settings ("" when it has none).
broker_pid() { ctl status | awk '$1 == "broker" { for (i = 2; i <= NF; i++) if ($i ~ /^[0-9]+$/) { print $i; exit } }'; }
programs_now() { dirname "$(readlink "/proc/$(broker_pid)/exe" | sed 's/ (deleted)$//')"; }
config_now() { tr '\0' '\n' <"/proc/$(broker_pid)/cmdline" | awk 'before == "--config" { print; exit } { before = $0 }'; }
