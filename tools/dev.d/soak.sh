# Longer runs than a change waits for. Sourced by tools/dev.

# run_soak [MINUTES]: half of the time for the simulation, half for the fuzzers.
run_soak() {
  local minutes=${1:-30} program seconds
  compile build
  part "simulation for $((minutes / 2)) minutes"
  build/tests/sim/tocsin-sim --minutes $((minutes / 2 > 0 ? minutes / 2 : 1))
  install_missing "${lint_packages[@]}"
  compile build-fuzz
  local fuzzers=(build-fuzz/tests/fuzz/fuzz_*[!p])
  seconds=$((minutes * 30 / ${#fuzzers[@]}))
  for program in "${fuzzers[@]}"; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    part "$(basename "$program") for $seconds s"
    mkdir -p "build-fuzz/corpus/$(basename "$program")"
    "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 "build-fuzz/corpus/$(basename "$program")" \
      "tests/fuzz/corpus/$(basename "$program" | sed 's/^fuzz_//')"
  done
}
