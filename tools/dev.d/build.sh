# Build folders: build (release, the programs), build-asan, build-tsan, build-lint, build-fuzz. Sourced by tools/dev.
programs=(broker/tocsin-broker edge/tocsin-edge ops/supervisor/tocsin-supervisor ops/ctl/tocsinctl
  tools/loadgen/tocsin-loadgen tools/loadgen/tocsin-roam tools/bench/tocsin-limit)

# A fresh clone elsewhere finds what another one compiled: no command line holds an absolute path.
export CCACHE_NOHASHDIR=true

# Debian's own tools: a Python or meson of a version manager in PATH does not see Debian's Python packages.
meson() { /usr/bin/python3 /usr/bin/meson "$@"; }
python() { /usr/bin/python3 "$@"; }

# configure FOLDER: sets the folder up once; meson itself notices later changes of the build files.
configure() {
  local folder=$1 options=()
  case "$folder" in
    # NDEBUG is not only for speed: libwebsockets compiled without it logs on the data path.
    build) options=(--buildtype=release -Db_lto=false) ;;
    # -O1 without a build type, which would set the level itself; assertions stay on.
    build-asan) options=(-Doptimization=1 -Ddebug=false -Db_sanitize=address,undefined
      '-Dcpp_args=-g1 -fno-sanitize-recover=all') ;;
    build-tsan) options=(-Doptimization=1 -Ddebug=false -Db_sanitize=thread -Dcpp_args=-g1) ;;
    build-lint) options=(--buildtype=debug -Dwerror=false) ;;   # read by clang-tidy, never compiled
    build-fuzz) options=(--buildtype=debug -Db_sanitize=address,undefined -Dfuzzer=true -Dwerror=false) ;;
  esac
  [ -f "$folder/build.ninja" ] && return
  rm -rf "$folder"
  local compiler=g++ linker=()
  case "$folder" in build-fuzz | build-lint) compiler=clang++ ;; esac
  command -v ccache >/dev/null && compiler="ccache $compiler"
  command -v mold >/dev/null && linker=(CXX_LD=mold)
  env CXX="$compiler" "${linker[@]}" /usr/bin/python3 /usr/bin/meson setup "$folder" "${options[@]}" >"$folder.log" 2>&1 || {
    tail -40 "$folder.log" >&2
    return 1
  }
  mv "$folder.log" "$folder/setup.log"
}

# compile FOLDER [TARGET..]: quiet when it works.
compile() {
  local folder=$1
  shift
  configure "$folder"
  if [ -t 1 ]; then ninja -C "$folder" "$@"; return; fi
  ninja -C "$folder" "$@" >"$folder/compile.log" 2>&1 || {
    grep -vE '^\[[0-9]+/[0-9]+\]' "$folder/compile.log" | tail -60 >&2
    return 1
  }
}

# test_targets FOLDER SUITE..: the programs that the tests of these suites run, for compile.
test_targets() {
  local folder=$1 select
  shift
  select='import json, os, sys
folder, suites = sys.argv[1], {"tocsin:" + s for s in sys.argv[2:]}
print(*sorted({os.path.relpath(t["cmd"][0], folder) for t in json.load(sys.stdin) if suites & set(t["suite"])}), sep="\n")'
  meson introspect --tests "$folder" | python -c "$select" "$PWD/$folder" "$@"
}

build_programs() { compile build && link_programs build "${programs[@]}"; }

# link_programs FOLDER PATH..: these programs of this build, compiled, in FOLDER/bin.
link_programs() {
  local folder=$1 path
  shift
  compile "$folder" "$@" || return
  mkdir -p "$folder/bin"
  for path in "$@"; do
    ln -f "$folder/$path" "$folder/bin/${path##*/}" 2>/dev/null || cp "$folder/$path" "$folder/bin/${path##*/}"
  done
}
