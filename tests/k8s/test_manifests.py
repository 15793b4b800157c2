"""k8s/ as kustomize renders it: what Kubernetes' own schemas say, and whether every name in it is one that the programs know."""
import pathlib
import re
import subprocess

import pytest
import yaml

from support import manifests
from support.manifests import KUBECTL, OVERLAYS, TOOLS, of, render
from support.programs import ROOT, run_program

VERSIONS = ("1.29", "1.33", "1.37")
FOLDERS = ("base", *(f"overlays/{o}" for o in OVERLAYS))
PODS = {"StatefulSet", "Deployment"}
PROGRAMS = {"edge": "tocsin-edge", "broker": "tocsin-broker", "supervisor": "tocsin-supervisor"}

pytestmark = pytest.mark.skipif(not manifests.available(), reason=f"{KUBECTL} is not there (tools/dev test k8s installs it)")


def containers(objects):
    for o in objects:
        if o["kind"] in PODS:
            for c in o["spec"]["template"]["spec"]["containers"]:
                yield o, c


@pytest.fixture(params=FOLDERS)
def objects(request):
    return render(request.param)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_what_three_versions_of_kubernetes_say(folder, tmp_path):
    file = tmp_path / "rendered.yaml"
    file.write_text(manifests.text(folder))
    done = subprocess.run([TOOLS / "bin" / "python", pathlib.Path(__file__).parent / "validate.py", file, *VERSIONS], capture_output=True, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr
    assert re.match(r"checked [1-9]", done.stderr), done.stderr


def test_a_typo_would_be_found(tmp_path):
    file = tmp_path / "rendered.yaml"
    file.write_text(manifests.text("base").replace("podManagementPolicy", "podManagmentPolicy"))
    done = subprocess.run([TOOLS / "bin" / "python", pathlib.Path(__file__).parent / "validate.py", file, VERSIONS[0]], capture_output=True, text=True,
                          timeout=300, check=False)
    assert "podManagmentPolicy" in done.stdout


def test_settings_and_commands_are_the_programs_own(objects):
    known = manifests.settings()
    for owner, c in containers(objects):
        where = f"{owner['metadata']['name']}/{c['name']}"
        program = PROGRAMS[c["name"]]
        assert c["command"] == [program], where
        rows = known[program]
        flags = {flag for _, flag in rows.values()} | {"--config"}
        for word in c.get("args", []):
            assert not word.startswith("--") or word in flags, f"{where}: {word}"
        seen = set()
        for entry in c["env"]:
            name = entry["name"]
            assert name not in seen, f"{where}: {name} twice"
            for used in re.findall(r"\$\((\w+)\)", entry.get("value", "")):
                assert used in seen, f"{where}: {name} refers to {used}, which comes later or not at all"
            seen.add(name)
            if name.startswith("TOCSIN_"):
                # TOCSIN_CLUSTER is tocsinctl's, for `kubectl exec`.
                assert name in rows or name == "TOCSIN_CLUSTER", f"{where}: {name}"
        hook = c.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if hook:
            assert hook[0] == "tocsinctl"
            usage = run_program("tocsinctl", hook[1], "--help").out
            assert all(word in usage for word in hook[2:]), usage


def test_ports_probes_and_services_fit(objects):
    listens = {"edge": ("TOCSIN_LISTEN_PORT", "http"), "broker": ("TOCSIN_BROKER_HTTP_LISTEN", "http"), "supervisor": ("TOCSIN_SUPERVISOR_LISTEN", "http")}
    for owner, c in containers(objects):
        ports = {p["name"]: p["containerPort"] for p in c["ports"]}
        env = {e["name"]: e.get("value", "") for e in c["env"]}
        variable, port = listens[c["name"]]
        assert env[variable].rsplit(":", 1)[-1] == str(ports[port])
        if c["name"] == "broker":
            assert env["TOCSIN_BROKER_LISTEN"].endswith(f":{ports['link']}")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = c[probe]["httpGet"]["path"]
            assert path == ("/health/ready" if probe == "readinessProbe" else "/health/live")
            assert c[probe]["httpGet"]["port"] in ports
        labels = owner["spec"]["template"]["metadata"]["labels"]
        annotations = owner["spec"]["template"]["metadata"]["annotations"]
        assert annotations["prometheus.io/port"] == str(ports["http"])
        selector = owner["spec"]["selector"]["matchLabels"]
        assert selector.items() <= labels.items()
        for service in of(objects, "Service"):
            if service["spec"]["selector"].items() <= labels.items():
                assert all(p["targetPort"] in ports for p in service["spec"]["ports"]), service["metadata"]["name"]
    services = {s["metadata"]["name"]: {p["name"] for p in s["spec"]["ports"]} for s in of(objects, "Service")}
    for ingress in of(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                target = path["backend"]["service"]
                assert target["port"]["name"] in services[target["name"]]
                assert not path["path"].startswith(("/admin", "/metrics", "/health")) and (path["path"] != "/" or path["pathType"] == "Exact")
    for owner in of(objects, "StatefulSet"):
        assert owner["spec"]["serviceName"] in services


def test_what_is_referred_to_is_there_or_named_as_the_operators(objects):
    own = {(o["kind"], o["metadata"]["name"]) for o in objects}
    operators = {"tocsin-admin", "tocsin-keys", "tocsin-tls"}
    for owner, c in containers(objects):
        spec = owner["spec"]["template"]["spec"]
        volumes = {v["name"]: v for v in spec["volumes"]}
        claims = {v["metadata"]["name"] for v in owner["spec"].get("volumeClaimTemplates", [])}
        for mount in c["volumeMounts"]:
            assert mount["name"] in volumes or mount["name"] in claims
        for v in volumes.values():
            if "configMap" in v:
                assert ("ConfigMap", v["configMap"]["name"]) in own
            if "secret" in v:
                name = v["secret"]["secretName"]
                assert ("Secret", name) in own or name in operators
        if "serviceAccountName" in spec:
            assert ("ServiceAccount", spec["serviceAccountName"]) in own
        else:
            assert spec["automountServiceAccountToken"] is False
    for hpa in of(objects, "HorizontalPodAutoscaler"):
        ref = hpa["spec"]["scaleTargetRef"]
        assert (ref["kind"], ref["name"]) in own
    spaces = {o["metadata"].get("namespace") for o in objects if o["kind"] not in ("Namespace",)}
    assert len(spaces) == 1
    names = [(o["apiVersion"], o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names))


def test_pods_are_restricted(objects):
    """The Pod Security Standard "restricted", rule by rule: the namespace enforces it."""
    for ns in of(objects, "Namespace"):
        assert ns["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for owner, c in containers(objects):
        spec = owner["spec"]["template"]["spec"]
        pod, own = spec["securityContext"], c["securityContext"]
        assert pod["runAsNonRoot"] is True and pod["runAsUser"] > 0 and pod["seccompProfile"]["type"] == "RuntimeDefault"
        assert own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]} and own["readOnlyRootFilesystem"] is True
        assert not own.get("privileged") and not any(spec.get(k) for k in ("hostNetwork", "hostPID", "hostIPC"))
        assert not any("hostPort" in p for p in c["ports"])
        assert all(set(v) - {"name"} <= {"configMap", "secret", "emptyDir"} for v in spec["volumes"])
        assert set(c["resources"]["requests"]) >= {"cpu", "memory"} and "memory" in c["resources"]["limits"]


def test_edges_stop_as_drains_need_it(objects):
    config = next(yaml.safe_load(o["data"]["tocsin.yaml"]) for o in of(objects, "ConfigMap") if "tocsin.yaml" in o.get("data", {}))
    seen = 0
    for owner, c in containers(objects):
        if c["name"] != "edge":
            continue
        seen += 1
        spec = owner["spec"]["template"]["spec"]
        drain = (config["drain"]["deadline_ms"] + config["drain"]["lb_settle_ms"]) / 1000
        # The hook waits for a drain, and SIGTERM may begin another with who is left: run.stop_timeout_ms, 2 s.
        assert spec["terminationGracePeriodSeconds"] >= drain + 30
        assert c["lifecycle"]["preStop"]["exec"]["command"] == ["tocsinctl", "drain", "--self", "--wait"]
        assert owner["spec"]["podManagementPolicy"] == "Parallel"
        assert spec["topologySpreadConstraints"] and spec["affinity"]["podAntiAffinity"]
        env = {e["name"]: e for e in c["env"]}
        assert env["POD_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name" and env["TOCSIN_EDGE_ID"]["value"] == "$(POD_NAME)"
        bytes_of = {"Mi": 1 << 20, "Gi": 1 << 30}
        limit = c["resources"]["limits"]["memory"]
        limit = int(limit[:-2]) * bytes_of[limit[-2:]]
        assert config["fanout"]["total_max_bytes"] + config["cache"]["state_max_bytes"] < limit / 2
    assert seen


def test_the_file_of_settings_is_taken_by_every_program():
    done = run_program("tocsinctl", "check-config", ROOT / "k8s/cluster/tocsin.yaml")
    assert done.code == 0, done


def test_metrics_are_the_programs_own():
    known = manifests.metrics()
    adapter = yaml.safe_load((ROOT / "k8s/components/monitoring/prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    series = rule["seriesQuery"].split("{")[0]
    assert known[series] == "gauge"
    assert re.fullmatch(rule["name"]["matches"], series)
    (pods,) = [m for m in of(render("base"), "HorizontalPodAutoscaler", "tocsin-edge")["spec"]["metrics"] if m["type"] == "Pods"]
    assert pods["pods"]["metric"]["name"] == rule["name"]["as"] == "active_connections"
    assert {o["resource"] for o in rule["resources"]["overrides"].values()} == {"namespace", "pod"}


def test_the_autoscaler_behaves_as_the_seeds_say():
    spec = of(render("base"), "HorizontalPodAutoscaler", "tocsin-edge")["spec"]
    assert spec["behavior"] == {
        "scaleDown": {"stabilizationWindowSeconds": 300, "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}]},
        "scaleUp": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60},
                                                                   {"type": "Pods", "value": 2, "periodSeconds": 60}]}}
    resources = {m["resource"]["name"]: m["resource"]["target"]["averageUtilization"] for m in spec["metrics"] if m["type"] == "Resource"}
    assert resources == {"cpu": 70, "memory": 80}


def test_pod_monitors_scrape_ports_that_are_there():
    objects = render("overlays/production")
    monitors = of(objects, "PodMonitor")
    assert len(monitors) == 3
    for monitor in monitors:
        spec = monitor["spec"]
        assert set(spec) <= {"selector", "podTargetLabels", "podMetricsEndpoints"}
        (endpoint,) = spec["podMetricsEndpoints"]
        assert set(endpoint) <= {"port", "path", "interval", "scrapeTimeout"} and endpoint["path"] == "/metrics"
        pods = [(o, c) for o, c in containers(objects) if spec["selector"]["matchLabels"].items() <= o["spec"]["template"]["metadata"]["labels"].items()]
        assert pods and all(endpoint["port"] in {p["name"] for p in c["ports"]} for _, c in pods)


def test_every_pod_that_the_autoscaler_may_make_has_an_address():
    objects = render("overlays/production")
    most = of(objects, "HorizontalPodAutoscaler", "tocsin-edge")["spec"]["maxReplicas"]
    names = {f"tocsin-edge-{i}" for i in range(most)}
    assert names <= {s["metadata"]["name"] for s in of(objects, "Service")}
    assert {r["host"] for r in of(objects, "Ingress", "tocsin-pods")["spec"]["rules"]} == {f"{n}.tocsin.example.com" for n in names}


def test_sets_of_edges_are_told_apart():
    for overlay, sets in (("canary", {"main", "canary"}), ("blue-green", {"blue", "green"})):
        objects = render(f"overlays/{overlay}")
        edges = [o for o, c in containers(objects) if c["name"] == "edge"]
        assert {o["spec"]["selector"]["matchLabels"]["tocsin.dev/set"] for o in edges} == sets
        for budget in of(objects, "PodDisruptionBudget"):
            fit = [o for o in edges if budget["spec"]["selector"]["matchLabels"].items() <= o["spec"]["template"]["metadata"]["labels"].items()]
            assert len(fit) == 1, budget["metadata"]["name"]
    objects = render("overlays/blue-green")
    assert of(objects, "Service", "tocsin-edge")["spec"]["selector"]["tocsin.dev/set"] in ("blue", "green")
    objects = render("overlays/canary")
    assert of(objects, "Ingress", "tocsin-canary")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"] == "10"
    revisions = {e["value"] for o, c in containers(objects) if c["name"] == "edge" for e in c["env"] if e["name"] == "TOCSIN_EDGE_REVISION"}
    assert len(revisions) == 1, "a drain would send all clients to the newer of them"
    images = {c["image"].rsplit(":", 1)[-1] for o, c in containers(objects) if c["name"] == "edge"}
    assert len(images) == 2


def test_the_supervisor_may_do_what_it_does_and_no_more(objects):
    role = of(objects, "Role", "tocsin-supervisor")
    verbs = {(r, v) for rule in role["rules"] for r in rule["resources"] for v in rule["verbs"]}
    assert verbs == {("pods", "list"), ("pods", "watch"), ("statefulsets", "list"), ("statefulsets", "watch"), ("statefulsets/scale", "get"),
                     ("statefulsets/scale", "patch"), ("leases", "get"), ("leases", "patch"), ("configmaps", "get"), ("configmaps", "patch")}
    (_, c), = [(o, c) for o, c in containers(objects) if c["name"] == "supervisor"]
    env = {e["name"]: e.get("value") for e in c["env"]}
    scaled = next(r["resourceNames"] for r in role["rules"] if r["resources"] == ["statefulsets/scale"])
    assert env.get("TOCSIN_KUBERNETES_STATEFULSET", "tocsin-edge") in scaled
    assert set(scaled) <= {o["metadata"]["name"] for o in of(objects, "StatefulSet")}


def test_network_policies_let_through_what_is_needed(objects):
    policies = {p["metadata"]["name"]: p["spec"] for p in of(objects, "NetworkPolicy")}
    deny = policies["tocsin-default-deny"]
    assert deny["podSelector"] == {} and set(deny["policyTypes"]) == {"Ingress", "Egress"} and "ingress" not in deny

    def ports(rules):
        return {p["port"] for rule in rules for p in rule["ports"]}
    assert ports(policies["tocsin-edge"]["ingress"]) == {8080} and ports(policies["tocsin-edge"]["egress"]) == {7400}
    assert ports(policies["tocsin-broker"]["ingress"]) == {7400, 7401}
    assert ports(policies["tocsin-supervisor"]["ingress"]) == {7402}
