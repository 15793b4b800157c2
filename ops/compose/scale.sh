#!/usr/bin/env bash
# scale.sh COUNT: so many edges. New ones are added at once; surplus ones, the newest first, are drained by SIGTERM and
# removed. Clients that understand offers are not cut.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
count=${1:-}
[[ "$count" =~ ^[1-9][0-9]*$ ]] || { echo "usage: scale.sh COUNT (at least 1)" >&2; exit 2; }
mapfile -t have < <(edges)
if [ "${#have[@]}" -lt "$count" ]; then
  docker-compose up -d --no-build --no-recreate --scale edge="$count"
  mapfile -t have < <(edges)
  wait_healthy "${have[@]}"
else
  retire "${have[@]:count}"
fi
mapfile -t have < <(edges)
echo "${#have[@]} edges"
