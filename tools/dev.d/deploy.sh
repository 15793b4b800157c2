# Deployment: packages, and the tests of what ops holds for containers, proxies, units and Kubernetes. Sourced by tools/dev.
deploy_packages=(haproxy nginx libnginx-mod-stream docker.io docker-compose iptables iproute2 debootstrap prometheus dpkg-dev curl systemd)

# project_version -> what meson.build says.
project_version() { sed -n "s/^  version: '\(.*\)',/\1/p" meson.build | head -1; }

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
  part "deployment: proxies, containers, units, packages, runbooks"
  run_integration build deploy "${@:-tests/deploy}"
  TOCSIN_K8S_CYCLES=10 test_k8s
}
