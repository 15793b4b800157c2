"""Pods come and go under load, by an autoscaler, an operator or a rollout: nobody loses anything, nobody is cut."""
import itertools
import os

import pytest

from support.fleet import Fleet
from support.kube import SET, Kube
from support.kube_nodes import Autoscaler
from support.wait import until

CLIENTS = 180
CYCLES = int(os.environ.get("TOCSIN_K8S_CYCLES", "1"))
_numbers = itertools.count(1)


@pytest.fixture
def load(tmp_path):
    fleets = []

    def start(kube, clients=CLIENTS, rate=60, **options):
        n = next(_numbers)
        fleet = Fleet(kube.addresses(), clients, rate, history=tmp_path / f"history-{n}.jsonl", channel=f"kube{n}", channels=3, settle_seconds=60, **options)
        fleets.append(fleet.start())
        return fleet
    yield start
    for fleet in fleets:
        fleet.__exit__()


def on_edges(fleet):
    return fleet.status()["edges"]


def streaming(fleet, kube, count):
    """Everybody is on one of the pods that are wanted, and streams."""
    edges = on_edges(fleet)
    return sum(edges.values()) == CLIENTS and set(edges) <= {f"{SET}-{i}" for i in range(count)}


def even(fleet, count):
    edges = on_edges(fleet)
    return len(edges) == count and sum(edges.values()) == CLIENTS and max(edges.values()) <= CLIENTS / count * 1.25


def must_be_untouched(fleet, name):
    report, phase = fleet.must_hold(), fleet.phase(name)
    print(report)
    assert phase["cut"] == 0 and phase["blackout_ms"]["max"] == 0, phase
    assert report["renewed_sessions"] == 0 and report["snapshots"] == 0, report
    return report


def settle(kube, fleet, count):
    kube.wait_pods(count, timeout=90)
    until(lambda: streaming(fleet, kube, count), f"everyone to stream on {count} pods", 60, pause=0.1)
    fleet.say("endpoints " + ",".join(kube.addresses()))


def scale_by(hpa, target, count):
    """As often as it takes: a client on its way is connected twice for a moment."""
    until(lambda: hpa.step(target) == count, f"the autoscaler to want {count} pods", 30, pause=0.2)


@pytest.mark.parametrize("faults", [0.0, 0.05] if CYCLES > 1 else [0.02])
def test_the_autoscaler_goes_up_and_down(tmp_path, load, faults):
    """2 -> 4 -> 2 by the metric that the edges show; some of what the API server is asked fails all the time."""
    with Kube(tmp_path / "kube", replicas=2) as kube:
        hpa = Autoscaler(kube.api, kube.nodes, "tocsin_edge_active_connections", least=2, most=4)
        fleet = load(kube)
        fleet.mark("scale")
        kube.api.faults.chance = faults
        for cycle in range(CYCLES):
            scale_by(hpa, CLIENTS / 3.5, 4)
            settle(kube, fleet, 4)
            until(lambda: even(fleet, 4), "the supervisor to give the new pods their share", 90, pause=0.1)
            if cycle % 2:
                kube.api.drop_watches()
            scale_by(hpa, CLIENTS / 1.5, 2)
            settle(kube, fleet, 2)
            if cycle % 3 == 1:
                kube.api.expire_watches()
        kube.api.faults.chance = 0
        fleet.stop()
        report = must_be_untouched(fleet, "scale")
        kube.must_have_stopped_well()
        # Up: half move once. Down: who is on a pod that stops moves once.
        assert report["hops"]["max"] <= 3 * CYCLES, report["hops"]


def test_an_operator_scales_down_and_up(tmp_path, load):
    """Drained first, in parallel, then the scale subresource is patched: a pod that Kubernetes stops is empty already."""
    with Kube(tmp_path / "kube", replicas=3) as kube:
        fleet = load(kube)
        fleet.mark("scale")
        kube.api.faults.conflicts = 2
        down = kube.leader().ctl("scale", 1, "--wait", "--json")
        assert down.code == 0, f"{down}\n{kube.logs()}"
        report = down.json()
        assert report["state"] == "done" and report["lost"] == 0 and report["migrated"] > 0, report
        assert kube.api.get("statefulsets", SET)["spec"]["replicas"] == 1
        settle(kube, fleet, 1)
        up = kube.leader().ctl("scale", 3, "--wait", "--json")
        assert up.code == 0, f"{up}\n{kube.logs()}"
        settle(kube, fleet, 3)
        assert even(fleet, 3), on_edges(fleet)
        fleet.stop()
        must_be_untouched(fleet, "scale")
        kube.must_have_stopped_well()


def test_a_rollout_sends_clients_to_pods_of_the_new_revision(tmp_path, load):
    """kubectl apply of another template: from the highest ordinal down, each drains by its hook; who has moved to a new pod stays there."""
    with Kube(tmp_path / "kube", replicas=3) as kube:
        fleet = load(kube)
        fleet.mark("rollout")
        kube.nodes.set_template(lambda t: t["metadata"].setdefault("annotations", {}).update({"example.com/restarted": "now"}))
        settle(kube, fleet, 3)
        until(lambda: even(fleet, 3), "the last pod to get its share", 60, pause=0.1)
        fleet.stop()
        report = must_be_untouched(fleet, "rollout")
        kube.must_have_stopped_well()
        # The first pod's clients have only old pods to go to; those move once more, and a share moves to the last pod.
        assert report["hops"]["max"] <= 3 and report["hops"]["mean"] <= 1.9, report["hops"]
