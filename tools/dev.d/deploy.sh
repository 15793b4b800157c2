# Deployment: packages, and the tests of what ops holds for containers, proxies, units and Kubernetes. Sourced by tools/dev.
deploy_packages=(haproxy nginx libnginx-mod-stream docker.io docker-compose iptables iproute2 debootstrap prometheus dpkg-dev curl systemd python3-venv)

# project_version -> what meson.build says.
project_version() { sed -n "s/^  version: '\(.*\)',/\1/p" meson.build | head -1; }

# What the test of ops/proxies/aws wants from PyPI.
deploy_python=(python-hcl2==8.1.4)

# deploy_tools: in build/deploy-tools, once. Without them the tests that need them are skipped by name.
deploy_tools() {
  local folder=build/deploy-tools
  [ "$(cat $folder/packages 2>/dev/null)" = "${deploy_python[*]}" ] && return
  rm -rf $folder
  { /usr/bin/python3 -m venv $folder && timeout 180 $folder/bin/pip install -q --disable-pip-version-check "${deploy_python[@]}" &&
    echo "${deploy_python[*]}" >$folder/packages; } >build/deploy-tools.log 2>&1 ||
    echo "PyPI did not give ${deploy_python[*]} (build/deploy-tools.log): the tests of ops/proxies/aws are skipped" >&2
}

# make_debs [OUT]: Debian packages of the programs in build/bin.
make_debs() {
  install_missing dpkg-dev
  build_programs
  ops/deb/build.sh build/bin "${1:-build/deb}" "$(project_version)"
}

# test_deploy: not part of a change's run. What this machine does not allow is skipped by name.
test_deploy() {
  part "deployment: programs"
  (install_missing "${deploy_packages[@]}") || echo "not all of ${deploy_packages[*]} could be installed: what needs them is skipped" >&2
  if ! build_programs || ! compile build tests/checker/tocsin-check-history; then broken programs; return; fi
  if ! make_debs >/dev/null; then broken deb; fi
  deploy_tools
  part "deployment: proxies, containers, units, packages, runbooks"
  run_integration build deploy "${@:-tests/deploy}"
  TOCSIN_K8S_CYCLES=10 test_k8s
}
