#!/usr/bin/env bash
# blue-green.sh --from URL,URL --to URL,URL --names NAME,NAME [--token-file FILE]: all clients of the blue edges to the green
# ones, which run already, beside them, at the same broker. Blue stays up, cordoned, for the way back: the same with the two
# exchanged. URLs are edges' own addresses (http://10.0.0.10:8080), names the edge ids of --to. For edges of any kind:
# units, containers, pods.
#
# First the green ones are asked whether they are ready, and uncordoned; then all blue ones are cordoned, so that nobody
# moves twice, and drained at once. Exit codes: 0 done; 1 some edge could not be drained whole; 2 usage; 3 nothing touched.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
from= to= names= token=()
while [ $# -gt 0 ]; do
  case "$1" in
    --from) from=${2:-} ;;
    --to) to=${2:-} ;;
    --names) names=${2:-} ;;
    --token-file) token=(--token-file "${2:-}") ;;
    *) die 2 "there is no option $1" ;;
  esac
  shift 2 || die 2 "$1 wants a value"
done
[ -n "$from" ] && [ -n "$to" ] && [ -n "$names" ] || die 2 "say --from, --to and --names"
IFS=, read -r -a blue <<<"$from"
IFS=, read -r -a green <<<"$to"
for url in "${green[@]}"; do
  "$tocsinctl" uncordon --self --edge-http "$url" "${token[@]}" >/dev/null || die 3 "$url cannot be uncordoned; blue was not touched"
  for try in 1 2 3 4 5 6 7 8 9 10; do
    ! "$tocsinctl" health "$url" >/dev/null 2>&1 || continue 2
    [ "$try" = 10 ] || sleep 0.5
  done
  die 3 "$url is not ready; blue was not touched"
done
for url in "${blue[@]}"; do
  "$tocsinctl" cordon --self --edge-http "$url" "${token[@]}" >/dev/null || {
    for undo in "${blue[@]}"; do "$tocsinctl" uncordon --self --edge-http "$undo" "${token[@]}" >/dev/null 2>&1 || true; done
    die 3 "$url cannot be cordoned; blue takes clients as before"
  }
done
pids=() failed=0
for url in "${blue[@]}"; do
  patiently "$tocsinctl" drain --self --edge-http "$url" "${token[@]}" --to "$names" --wait >&2 &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
[ "$failed" = 0 ] || die 1 "not every blue edge is empty; run it again, or exchange --from and --to to go back"
say "done: blue is empty, cordoned and up; stop it when you do not want to go back any more"
