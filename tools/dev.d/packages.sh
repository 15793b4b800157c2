# What the build and the tests need, as Debian names it. Sourced by tools/dev; the image's Dockerfile takes build_packages.
build_packages=(
  g++ ccache meson ninja-build pkg-config mold git xz-utils
  libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libzmq3-dev cppzmq-dev protobuf-compiler libprotobuf-dev
  rapidjson-dev libyaml-cpp-dev prometheus-cpp-dev libcli11-dev libsqlite3-dev liblzma-dev
  libssl-dev openssl zlib1g-dev libzstd-dev doctest-dev
  python3
)
packages=(
  "${build_packages[@]}"
  python3-pytest python3-websockets python3-aiohttp python3-zmq python3-protobuf
  nodejs spin
  prometheus python3-yaml   # promtool tests the alerts; no server is started
)
command -v npm >/dev/null || packages+=(npm)   # other packages of Node bring it along, Debian's does not
browser_packages=(chromium)   # the board's tests
lint_packages=(clang clang-format clang-tidy)

# missing NAME.. -> the names that are not installed
missing() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed \([^:]*\).*/\1/p') || true
  comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

# install_missing [MORE..]: quick when nothing is missing.
install_missing() {
  if ! command -v dpkg-query >/dev/null; then
    echo "tools/dev: not a Debian system; taking for granted that these are there: ${packages[*]} $*" >&2
    return
  fi
  local wanted sudo=()
  mapfile -t wanted < <(missing "${packages[@]}" "$@")
  [ ${#wanted[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || sudo=(sudo)
  echo "tools/dev: installing ${wanted[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  local apt=("${sudo[@]}" apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0)
  "${apt[@]}" update </dev/null >&2
  "${apt[@]}" install -y --no-install-recommends "${wanted[@]}" </dev/null >/dev/null
}
