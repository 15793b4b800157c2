#!/usr/bin/env bash
# canary.sh --from URL,URL --canary URL --name NAME [--percent 10] [--watch 60] [--back NAME,NAME] [--token-file FILE]: some
# clients of each edge to one edge of a new release, which runs already, beside them, at the same broker. It is watched:
# when it stops being ready its clients go back (to --back, or wherever there is room), and so they do when it closes
# slow or broken clients where it did not before. In the end it has its clients still, and what comes next is yours to say:
# upgrade, or `tocsinctl drain --self --edge-http CANARY` to call it off.
#
# Exit codes: 0 the canary does well; 1 it did not, its clients are back; 2 usage; 3 nothing was touched.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
from= canary= name= percent=10 watch=60 back= token=()
while [ $# -gt 0 ]; do
  case "$1" in
    --from) from=${2:-} ;;
    --canary) canary=${2:-} ;;
    --name) name=${2:-} ;;
    --percent) percent=${2:-} ;;
    --watch) watch=${2:-} ;;
    --back) back=${2:-} ;;
    --token-file) token=(--token-file "${2:-}") ;;
    *) die 2 "there is no option $1" ;;
  esac
  shift 2 || die 2 "$1 wants a value"
done
[ -n "$from" ] && [ -n "$canary" ] && [ -n "$name" ] || die 2 "say --from, --canary and --name"
[[ "$percent" =~ ^[0-9]+$ ]] && [ "$percent" -ge 1 ] && [ "$percent" -le 100 ] || die 2 "--percent is from 1 to 100"
[[ "$watch" =~ ^[0-9]+$ ]] || die 2 "--watch is seconds"
IFS=, read -r -a edges <<<"$from"

clients_of() { "$tocsinctl" health "$1/health" 2>/dev/null | sed -n 's/.*"clients":\([0-9]*\).*/\1/p'; }
# faults: sockets that the edge itself closed because something was wrong with it or too slow; they must not grow.
faults() {
  { "$tocsinctl" health "$1/metrics" 2>/dev/null || true; } |
    awk '/^tocsin_edge_closed_total\{reason="(slow_consumer|internal|internal_error)"\}/ { sum += $NF } END { printf "%d\n", sum }'
}
take_back() {
  say "$1; its clients go back"
  "$tocsinctl" drain --self --edge-http "$canary" "${token[@]}" ${back:+--to "$back"} --wait >&2 || say "the canary could not be drained whole"
  exit 1
}

"$tocsinctl" health "$canary" >/dev/null || die 3 "the canary is not ready; nothing was touched"
before=$(faults "$canary")
for url in "${edges[@]}"; do
  clients=$(clients_of "$url")
  [ -n "$clients" ] || die 3 "$url does not answer"
  count=$(((clients * percent + 99) / 100))
  [ "$count" -gt 0 ] || continue
  patiently "$tocsinctl" migrate --self --edge-http "$url" "${token[@]}" --count "$count" --to "$name" --wait >&2 ||
    take_back "$url could not move $count of its clients"
done
say "the canary has $(clients_of "$canary") clients; watching it for $watch s"
for ((i = 0; i < watch; i++)); do
  "$tocsinctl" health "$canary" >/dev/null 2>&1 || take_back "the canary is not ready any more"
  [ "$(faults "$canary")" -le "$before" ] || take_back "the canary closes clients for faults"
  sleep 1
done
say "the canary did well for $watch s"
