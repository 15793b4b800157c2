# The test run. Sourced by tools/dev. Every part writes its results to build/results; tally.py counts them all.

# part TITLE: progress for people, on stderr: stdout ends with the one closing line.
part() { echo "== $* ($(date +%H:%M:%S))" >&2; }

# meson_tests FOLDER RESULT [meson test arguments..]: a failing test is counted by tally.py, so it is no error here.
meson_tests() {
  local folder=$1 result=$2
  shift 2
  rm -f "$folder/meson-logs/testlog.json"
  meson test -C "$folder" --no-rebuild --print-errorlogs "$@" >&2 </dev/null || true
  if [ -f "$folder/meson-logs/testlog.json" ]; then
    cp "$folder/meson-logs/testlog.json" "build/results/$result.json"
  fi
}

# broken NAME: a part that could not run at all counts as one failure.
broken() { echo "{\"name\": \"$1\", \"result\": \"ERROR\"}" >"build/results/$1.json"; }

# test_release [meson test arguments..]: all of the release build's tests, or a selection of them.
test_release() {
  part "release build"
  if ! compile build meson-test-prereq; then broken build; return; fi
  part "on the release build: ${*:-unit, check, fuzz corpus, simulation}"
  meson_tests build release --timeout-multiplier 3 "$@"
}

# test_sanitized FOLDER TITLE SUITE..
test_sanitized() {
  local folder=$1 title=$2 targets
  shift 2
  part "$title: build"
  configure "$folder"
  mapfile -t targets < <(test_targets "$folder" "$@")
  if ! compile "$folder" "${targets[@]}"; then broken "$folder"; return; fi
  part "$title: $*"
  meson_tests "$folder" "$folder" --timeout-multiplier 8 "${@/#/--suite=}"
}

export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

test_address() { test_sanitized build-asan "address and undefined-behaviour sanitizers" unit fuzz few; }

# Streams, bad clients and a restored folder again, with programs that stop at the first wrong access.
test_address_integration() {
  part "integration under the address sanitizer: programs"
  if ! link_programs build-asan "${programs[@]}"; then broken programs-asan; return; fi
  part "integration under the address sanitizer"
  run_integration build-asan integration-asan tests/integration/test_{stream,bad_clients,backup}.py
}

# test_thread SUITE: most units have no threads; a change waits for those that do, `sanitize` runs all.
test_thread() {
  TSAN_OPTIONS="suppressions=$PWD/tests/support/tsan.supp halt_on_error=1" \
    test_sanitized build-tsan "thread sanitizer" "$1"
}

test_integration() {
  if [ ! -d tests/integration ]; then echo "tests/integration: not there, skipped" >&2; return; fi
  part "programs"
  if ! build_programs; then broken programs; return; fi
  part "integration, with the real programs"
  run_integration build integration "${@:-tests/integration}"
}

# test_chaos: drains, restarts and kills under load, judged by clients and checker.
test_chaos() {
  part "chaos: programs"
  if ! build_programs || ! compile build tests/checker/tocsin-check-history; then broken programs; return; fi
  part "chaos: drains and kills under load"
  run_integration build chaos "${@:-tests/chaos}"
}

# run_integration FOLDER RESULT TEST..
run_integration() {
  local folder=$1 result=$2
  shift 2
  TOCSIN_BIN=$PWD/$folder/bin timeout --kill-after=30 1500 /usr/bin/python3 -B -m pytest -q -p no:cacheprovider \
    --junitxml="build/results/$result.xml" "$@" >&2 </dev/null || true
  [ -f "build/results/$result.xml" ] || broken "$result"
}

# sdk_tools: what some tests want from npm (TypeScript, playwright-core) and a browser. Without them those are skipped by name.
sdk_tools() {
  (install_missing "${browser_packages[@]}") || echo "chromium could not be installed: the board's tests are skipped" >&2
  local sdk=tools/sdk-js
  [ -d $sdk/node_modules ] && [ $sdk/node_modules/.package-lock.json -nt $sdk/package-lock.json ] && return
  timeout 120 npm --prefix $sdk ci --ignore-scripts --no-audit --no-fund >build/npm.log 2>&1 ||
    echo "npm could not install the SDK's test tools (build/npm.log): their tests are skipped" >&2
}

# test_sdk: the SDK for JavaScript on this machine's Node, and the board on it in Chromium, with the real programs.
test_sdk() {
  part "SDK for JavaScript: programs"
  if ! build_programs; then broken programs; return; fi
  part "SDK for JavaScript, node $(node --version)"
  sdk_tools
  local reporter=./tools/sdk-js/test/support/tally_reporter.js
  TOCSIN_BIN=$PWD/build/bin timeout --kill-after=30 600 node --test --test-reporter=$reporter \
    --test-reporter-destination=build/results/sdk.json tools/sdk-js/test/*.test.js >&2 </dev/null || true
  [ -s build/results/sdk.json ] || broken sdk
}

run_tests() {
  mkdir -p build
  configure build
  rm -rf build/results
  mkdir -p build/results
  if [ $# -eq 0 ]; then
    # What takes longest to build comes last: on a warm ccache a minute or two, on a cold one 20.
    test_release
    test_integration
    test_chaos
    test_k8s tests/k8s/test_manifests.py tests/k8s/test_scaling.py -k "not operator and not rollout"
    test_sdk
    test_thread threads
    test_address
  fi
  local names=() suites=() paths=() selection
  for selection in "$@"; do
    case "$selection" in
      unit | check | fuzz | sim) suites+=(--suite "$selection") ;;
      sanitize) test_address; test_thread unit; test_address_integration ;;
      integration) test_integration ;;
      chaos) test_chaos ;;
      k8s) test_k8s ;;
      deploy) test_deploy ;;
      sdk) test_sdk ;;
      tests/integration/* | tests/chaos/* | tests/deploy/* | tests/k8s/*) paths+=("$selection") ;;
      *) names+=("$selection") ;;
    esac
  done
  if [ ${#suites[@]} -gt 0 ]; then test_release "${suites[@]}"; fi
  if [ ${#names[@]} -gt 0 ]; then test_release "${names[@]}"; fi
  if [ ${#paths[@]} -gt 0 ]; then test_integration "${paths[@]}"; fi
  python tools/checks/tally.py build/results
}
