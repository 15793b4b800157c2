#!/usr/bin/env bash
# upgrade.sh TAG: every process to the image tocsin:TAG, nobody is cut. As many new edges start beside the old ones; when
# all are healthy the old ones are told to leave together, and drain to the new ones: one hop a client. The broker is
# replaced then, on the same volume; edges keep their clients meanwhile. The supervisor, if it runs, is last, and goes on with
# its plans. Going back is the same with the tag before.
#
# When a new edge does not get healthy nothing has been touched: the new ones are removed, the exit code is 1.
set -euo pipefail
. "$(dirname "$(readlink -f "$0")")/lib.sh"
tag=${1:-}
[ -n "$tag" ] || { echo "usage: upgrade.sh TAG" >&2; exit 2; }
docker image inspect "tocsin:$tag" >/dev/null 2>&1 || die "there is no image tocsin:$tag here; build or pull it first"
mapfile -t old < <(edges)
[ "${#old[@]}" -gt 0 ] || die "no edge runs; docker-compose up -d starts them"
export TOCSIN_TAG=$tag

docker-compose up -d --no-build --no-recreate --no-deps --scale edge=$((2 * ${#old[@]})) edge
mapfile -t all < <(edges)
new=()
for id in "${all[@]}"; do [[ " ${old[*]} " == *" $id "* ]] || new+=("$id"); done
if ! (wait_healthy "${new[@]}"); then
  docker rm -f "${new[@]}" >/dev/null
  die "the new edges do not get healthy; they are removed, the old ones go on"
fi
retire "${old[@]}"
docker-compose up -d --no-build --no-deps broker
wait_healthy "$(docker-compose ps -q broker)"
if [ -n "$(docker-compose ps -q supervisor)" ]; then
  docker-compose up -d --no-build --no-deps supervisor
  wait_healthy "$(docker-compose ps -q supervisor)"
fi
[ ! -f .env ] || sed -i '/^TOCSIN_TAG=/d' .env
echo "TOCSIN_TAG=$tag" >>.env   # what docker-compose up means from now on
echo "${#new[@]} edges and the broker run tocsin:$tag"
