#!/usr/bin/env bash
# build.sh PROGRAMS OUT VERSION: makes the Debian packages of programs that are built, in OUT. `tools/dev deb` calls it.
#
#   tocsin-common      user, folders, settings, kernel and file limits, log rotation, runbooks
#   tocsin-broker      the program and its unit         tocsin-edge    the same, a unit per port
#   tocsin-supervisor  a whole cluster on one machine   tocsin-tools   tocsinctl
#
# Dependencies on libraries come from the programs themselves (dpkg-shlibdeps). The same input gives the same bytes:
# times are those of SOURCE_DATE_EPOCH, or of the last commit.
set -euo pipefail
[ $# = 3 ] || { echo "usage: build.sh PROGRAMS OUT VERSION" >&2; exit 2; }
programs=$(readlink -f "$1") out=$(mkdir -p "$2" && readlink -f "$2") version=$3
cd "$(dirname "$(readlink -f "$0")")/../.."
command -v dpkg-shlibdeps >/dev/null || { echo "build.sh: dpkg-shlibdeps is missing; install dpkg-dev" >&2; exit 3; }
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 1700000000)}"
export SOURCE_DATE_EPOCH
arch=$(dpkg --print-architecture)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

# shared_libraries PROGRAM -> what Depends says of them.
shared_libraries() {
  local place
  place=$(mktemp -d -p "$work" shlibs.XXXX)
  mkdir "$place/debian"
  printf 'Source: tocsin\n\nPackage: tocsin\nArchitecture: any\n' >"$place/debian/control"
  (cd "$place" && dpkg-shlibdeps -O --ignore-missing-info "$1" 2>/dev/null) | sed -n 's/^shlibs:Depends=//p'
}

# finish NAME ARCH DEPENDS DESCRIPTION: packs $work/NAME.
finish() {
  local root="$work/$1" size
  mkdir -p "$root/DEBIAN" "$root/usr/share/doc/$1"
  cp ops/deb/copyright "$root/usr/share/doc/$1/copyright"
  printf 'tocsin (%s) stable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- The Tocsin authors <noreply@example.com>  %s\n' "$version" \
    "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$root/usr/share/doc/$1/changelog.gz"
  size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)
  {
    echo "Package: $1"
    echo "Version: $version"
    echo "Architecture: $2"
    echo "Maintainer: The Tocsin authors <noreply@example.com>"
    echo "Installed-Size: $size"
    [ -z "$3" ] || echo "Depends: $3"
    [ -z "${conflicts:-}" ] || echo "Conflicts: $conflicts"
    echo "Section: net"
    echo "Priority: optional"
    echo "Description: $4"
    echo " Tocsin streams incident updates to very many clients and keeps every client's stream whole."
  } >"$root/DEBIAN/control"
  (cd "$root" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0r md5sum >DEBIAN/md5sums)
  dpkg-deb --root-owner-group -Zxz --build "$root" "$out/$1_${version}_$2.deb" >/dev/null
}

# scripts NAME UNIT..: maintainer scripts that start nothing by themselves, and restart what runs after an upgrade.
scripts() {
  local root="$work/$1" script units
  shift
  units=$*
  mkdir -p "$root/DEBIAN"
  for script in postinst prerm postrm; do
    [ -f "ops/deb/$script" ] || continue
    sed "s/@UNITS@/$units/" "ops/deb/$script" >"$root/DEBIAN/$script"
    chmod 755 "$root/DEBIAN/$script"
  done
}

common() {
  local root="$work/tocsin-common"
  install -D -m 644 ops/systemd/tocsin.sysusers "$root/usr/lib/sysusers.d/tocsin.conf"
  install -D -m 644 ops/systemd/tocsin.tmpfiles "$root/usr/lib/tmpfiles.d/tocsin.conf"
  install -D -m 644 ops/systemd/tocsin.sysctl "$root/usr/lib/sysctl.d/60-tocsin.conf"
  install -D -m 644 ops/systemd/tocsin.limits "$root/etc/security/limits.d/tocsin.conf"
  install -D -m 644 ops/systemd/tocsin.logrotate "$root/etc/logrotate.d/tocsin"
  install -D -m 640 ops/systemd/tocsin.yaml "$root/etc/tocsin/tocsin.yaml"
  mkdir -p "$root/usr/share/doc/tocsin"
  cp -r ops/runbook "$root/usr/share/doc/tocsin/runbook"
  cp -r ops/reference/. "$root/usr/share/doc/tocsin/"
  cp -r ops/proxies "$root/usr/share/doc/tocsin/proxies"
  chmod -R u=rwX,go=rX "$root/usr/share/doc"
  mkdir -p "$root/DEBIAN"
  printf '%s\n' /etc/security/limits.d/tocsin.conf /etc/logrotate.d/tocsin /etc/tocsin/tocsin.yaml >"$root/DEBIAN/conffiles"
  install -m 755 ops/deb/common.postinst "$root/DEBIAN/postinst"
  install -m 755 ops/deb/common.postrm "$root/DEBIAN/postrm"
  finish tocsin-common all "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles, procps" "user, folders and settings of Tocsin"
}

# program NAME PROGRAM MORE_DEPENDS DESCRIPTION UNIT..
program() {
  local name=$1 file=$2 depends=$3 description=$4 root="$work/$1" unit
  shift 4
  install -D -m 755 "$programs/$file" "$root/usr/bin/$file"
  strip --strip-unneeded "$root/usr/bin/$file"
  for unit in "$@"; do install -D -m 644 "ops/systemd/$unit" "$root/usr/lib/systemd/system/$unit"; done
  [ $# = 0 ] || scripts "$name" "$@"
  # The library's loop plug-in is opened by name: no program links it.
  finish "$name" "$arch" "$(shared_libraries "$root/usr/bin/$file"), libwebsockets-evlib-uv$depends" "$description"
}

# All at once: what takes its time is one process each, the search for libraries and the packing.
pids=()
common & pids+=($!)
program tocsin-broker tocsin-broker ", tocsin-common (= $version)" "broker: orders, keeps and fans out incident updates" tocsin-broker.service & pids+=($!)
program tocsin-edge tocsin-edge ", tocsin-common (= $version)" "edge: serves clients over WebSocket, HTTP and SSE" tocsin-edge@.service tocsin-edges.target &
pids+=($!)
program tocsin-tools tocsinctl "" "tocsinctl: runs, watches and feeds a Tocsin cluster" & pids+=($!)
program tocsin-supervisor tocsin-supervisor ", tocsin-broker (= $version), tocsin-edge (= $version), tocsin-tools (= $version)" \
  "supervisor: a whole Tocsin cluster on one machine" tocsin-supervisor.service & pids+=($!)
for pid in "${pids[@]}"; do wait "$pid"; done
ls "$out"/*_"$version"_*.deb
