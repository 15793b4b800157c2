# Longer runs than a change waits for. Sourced by tools/dev.

# run_soak [MINUTES]: a million clients that come and go, ten scale cycles under load, the programs under the address sanitizer; then
# half of the time for the simulation, half for the fuzzers.
run_soak() {
  local minutes=${1:-30} program name seconds
  build_programs
  part "a million connects: is anything kept?"
  (cd tests && TOCSIN_BIN=$PWD/../build/bin python -B -m support.connects 1000000)
  part "ten times 2 -> 5 -> 2 edges, with real processes"
  TOCSIN_BIN=$PWD/build/bin TOCSIN_SCALE_CYCLES=10 python -B -m pytest -q -p no:cacheprovider tests/chaos/test_fleet_changes.py -k scale
  mkdir -p build/results
  test_address_integration
  part "simulation for $((minutes / 2)) minutes"
  build/tests/sim/tocsin-sim --minutes $((minutes / 2 > 0 ? minutes / 2 : 1))
  install_missing "${lint_packages[@]}"
  configure build-fuzz
  local fuzzers
  mapfile -t fuzzers < <(ninja -C build-fuzz -t targets all | sed -n 's|^\(tests/fuzz/fuzz_[a-z0-9_]*\):.*|\1|p' | sort -u)
  compile build-fuzz "${fuzzers[@]}"
  seconds=$((minutes * 30 / ${#fuzzers[@]}))
  for program in "${fuzzers[@]}"; do
    name=${program##*/fuzz_}
    part "fuzzing $name for $seconds s"
    mkdir -p "build-fuzz/corpus/$name"   # what the fuzzer finds; an input that fails is moved to tests/fuzz/corpus by hand
    "build-fuzz/$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build-fuzz/$name-" \
      "build-fuzz/corpus/$name" "tests/fuzz/corpus/$name" 2>&1 | tail -2
  done
}
