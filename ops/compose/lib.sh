# What scale.sh and upgrade.sh share. Sourced in this folder's scripts.
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
[ -n "${COMPOSE_TIMEOUT:-}" ] || export COMPOSE_TIMEOUT=100   # above stop_grace_period of an edge

die() { echo "$(basename "$0"): $*" >&2; exit 1; }

# edges [FILTER..] -> container ids, the oldest first.
edges() { docker-compose ps -q edge | xargs -r docker inspect -f '{{.Created}} {{.Id}}' | sort | cut -d' ' -f2; }

# wait_healthy ID..: until each says so; a container that ends, or is not healthy in two minutes, is an error.
wait_healthy() {
  local id state deadline=$((SECONDS + 120))
  for id in "$@"; do
    while :; do
      state=$(docker inspect -f '{{if .State.Running}}{{.State.Health.Status}}{{else}}ended{{end}}' "$id")
      [ "$state" != healthy ] || break
      if [ "$state" = ended ] || [ "$SECONDS" -ge "$deadline" ]; then
        docker logs --tail 20 "$id" >&2
        die "container ${id:0:12} is $state, not healthy"
      fi
      sleep 0.5
    done
  done
}

# retire ID..: SIGTERM drains each; all at once, so that none takes clients of another. Then they are removed.
retire() {
  [ $# -gt 0 ] || return 0
  docker stop --time 100 "$@" >/dev/null || die "an edge could not be stopped; see docker ps"
  local id code
  for id in "$@"; do
    code=$(docker inspect -f '{{.State.ExitCode}}' "$id")
    [ "$code" = 0 ] || echo "$(basename "$0"): container ${id:0:12} ended with $code: its drain was cut short" >&2
  done
  docker rm "$@" >/dev/null
}
