"""The overlays blue-green and canary under clients that come through the Ingress: the commands of ops/runbook/kubernetes.md in their order. The
API server, nodes and Ingress are the tests' own, the manifests are rendered by kubectl as they are."""
import collections
import re
import shutil
import time

import pytest

from support import manifests
from support.fleet import Fleet
from support.http import get
from support.kube import Kube
from support.kube_front import Front
from support.manifests import KUBECTL, render
from support.process import free_port
from support.programs import ROOT
from support.wait import until

pytestmark = pytest.mark.skipif(not manifests.available(), reason=f"{KUBECTL} is not there (tools/dev test k8s installs it)")
CLIENTS = 120


@pytest.fixture
def load(tmp_path):
    fleets = []

    def start(front, clients=CLIENTS, name="overlay"):
        fleet = Fleet([front.address], clients, 30, history=tmp_path / f"{name}.jsonl", channel=name, channels=3, settle_seconds=60)
        fleets.append(fleet.start())
        return fleet
    yield start
    for fleet in fleets:
        fleet.__exit__()


def by_set(fleet):
    """How many clients each set of edges has."""
    out = collections.Counter()
    for edge, clients in fleet.status()["edges"].items():
        out[edge.rpartition("-")[0]] += clients
    return out


def who_answers(front, tries=20):
    return {get(f"http://{front.address}/health", timeout=5).json()["edge"].rpartition("-")[0] for _ in range(tries)}


def must_be_untouched(kube, front, fleet, name):
    fleet.stop()
    report, phase = fleet.must_hold(), fleet.phase(name)
    print(report)
    assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, phase
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0, report
    assert front.refused == 0
    kube.must_have_stopped_well()
    return report


def plans(kube):
    """Names of what the supervisor has under way, or had."""
    return [key for key in kube.api.get("configmaps", "tocsin-plans").get("data", {}) if key.startswith("plan.")]


def edited(folder, changes):
    """k8s/ with these texts replaced, as an operator does, and the overlay rendered."""
    shutil.copytree(ROOT / "k8s", folder)
    for path, old, new in changes:
        file = folder / "overlays/blue-green" / path
        assert old in file.read_text(), f"{path} has no {old!r}"
        file.write_text(file.read_text().replace(old, new))
    return render(folder / "overlays/blue-green")


def test_blue_green_switch(tmp_path, load):
    port = free_port()
    with Kube(tmp_path / "kube", objects=render("overlays/blue-green"), public=f"ws://127.0.0.1:{port}/v1/stream") as kube:
        blue, green = "tocsin-edge-blue", "tocsin-edge-green"
        kube.api.scale(green, 0)
        until(lambda: not kube.sets[green].own_pods(), "green not to run", 30)
        with Front(kube.api, kube.sets.values(), port) as front:
            fleet = load(front)
            fleet.mark("switch")
            kube.api.scale(green, 2)
            until(lambda: kube.sets[green].ready(2), "green to be up", 30)
            every = {f"{s}-{i}" for s in kube.sets for i in (0, 1)}
            until(lambda: {p["name"] for p in kube.status()["processes"] if p.get("edge_state") == "ready"} >= every, "the supervisor to see both sets", 30, 0.1)
            # It looks for two seconds whether more edges come before it would spread clients.
            seen = time.monotonic()
            until(lambda: time.monotonic() > seen + 5 or plans(kube), "a plan that there should not be", 10, 0.2)
            assert not plans(kube), "green runs beside blue, and nobody is sent there"
            assert by_set(fleet) == {blue: CLIENTS} and who_answers(front) == {blue}
            kube.apply(edited(tmp_path / "switched", [("active.yaml", "tocsin.dev/set: blue", "tocsin.dev/set: green"),
                                                      ("supervisor.yaml", "value: tocsin-edge-blue", "value: tocsin-edge-green")]))
            until(lambda: who_answers(front) == {green}, "new clients to come to green", 10)
            assert by_set(fleet) == {blue: CLIENTS}, "who is on blue stays until it is scaled down"
            kube.api.scale(blue, 0)
            until(lambda: by_set(fleet) == {green: CLIENTS}, "everybody on green", 60, 0.1)
            until(lambda: not kube.sets[blue].own_pods(), "blue to be gone", 60, 0.1)
            report = must_be_untouched(kube, front, fleet, "switch")
            assert report["hops"] == {"mean": 1.0, "max": 1}, report["hops"]
            assert kube.leader().ctl("scale", 3).code == 0
            until(lambda: kube.sets[green].ready(3), "the supervisor to scale green now", 30)


def test_canary_of_ten_percent(tmp_path, load):
    port = free_port()
    objects = render("overlays/canary")
    ingress = manifests.of(objects, "Ingress", "tocsin-canary")
    percent = int(ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/canary-weight"])
    service = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
    with Kube(tmp_path / "kube", objects=objects, public=f"ws://127.0.0.1:{port}/v1/stream") as kube:
        main, canary = "tocsin-edge", "tocsin-edge-canary"
        kube.api.scale(canary, 1)
        until(lambda: kube.sets[canary].ready(1), "one canary", 30)
        with Front(kube.api, kube.sets.values(), port, canary=service, percent=percent) as front:
            fleet = load(front)
            fleet.mark("canary")
            first = by_set(fleet)
            assert 2 <= first[canary] <= CLIENTS * 0.25 and first[main] + first[canary] == CLIENTS, first
            # A stable edge that goes gives its clients to stable ones but for the canary's tenth.
            kube.api.scale(main, 1)
            until(lambda: kube.sets[main].ready(1), "one stable edge", 60)
            assert by_set(fleet)[canary] <= CLIENTS * 0.35, by_set(fleet)
            kube.api.scale(main, 2)
            until(lambda: kube.sets[main].ready(2), "two stable edges", 60)
            kube.api.scale(canary, 0)
            until(lambda: by_set(fleet) == {main: CLIENTS}, "everybody on stable edges", 60, 0.1)
            until(lambda: not kube.sets[canary].own_pods(), "the canary to be gone", 60, 0.1)
            must_be_untouched(kube, front, fleet, "canary")


@pytest.mark.parametrize("overlay, names_the_pod", [("production", {"tocsin-edge"}), ("canary", {"tocsin-edge"}), ("blue-green", set()), ("dev", {"tocsin-edge"})])
def test_where_a_moving_client_is_sent(overlay, names_the_pod):
    """To the pod that was meant, where pods have names that clients can reach; else to the Ingress."""
    for o in manifests.of(render(f"overlays/{overlay}"), "StatefulSet"):
        if o["metadata"]["name"] != "tocsin-broker":
            env = {e["name"]: e.get("value") for e in o["spec"]["template"]["spec"]["containers"][0]["env"]}
            assert ("$(POD_NAME)" in env["TOCSIN_EDGE_ENDPOINT"]) == (o["metadata"]["name"] in names_the_pod), (o["metadata"]["name"], env)
            assert re.match("wss?://", env["TOCSIN_EDGE_ENDPOINT"])
