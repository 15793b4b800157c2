# Style and drift. Sourced by tools/dev.

# The C++ files of the project; with "changed": only those that differ from main, committed or not.
sources() {
  local pattern=('*.cc' '*.h') base
  if [ "${1:-all}" = changed ]; then
    base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null || git rev-list --max-parents=0 HEAD | tail -1)
    { git diff --name-only --diff-filter=d "$base" -- "${pattern[@]}"; git ls-files -o --exclude-standard -- "${pattern[@]}"; } | sort -u
  else
    git ls-files -- "${pattern[@]}"
  fi
}

format_changed() { install_missing "${lint_packages[@]}"; sources changed | xargs -r clang-format -i; }

write_reference() {
  mkdir -p ops/reference tests/golden
  build/tools/reference/tocsin-reference write . && python -B ops/alerts/boards.py
}

run_lint() {
  install_missing "${lint_packages[@]}"
  local scope=changed failed=0
  [ "${1:-}" = --all ] && scope=all
  python tools/checks/layers.py . || failed=1
  sources all | xargs -r clang-format --dry-run -Werror || failed=1
  compile build tools/reference/tocsin-reference
  build/tools/reference/tocsin-reference check . || failed=1
  configure build-lint   # clang reads GCC's commands; flags that only GCC has are not in a debug set-up
  compile build-lint proto/link.pb.h
  # Headers are checked through the files that include them.
  sources "$scope" | grep '\.cc$' | xargs -r -P "$(nproc)" -n 4 clang-tidy -p build-lint --quiet 2>/dev/null || failed=1
  [ $failed = 0 ] && echo "lint ok"
  return $failed
}
